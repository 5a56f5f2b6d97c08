// Publishes a message through the Momento Function, and sends it again as docs/without-webhooks.md says. Node.js 18 or later:
//
//   FUNCTION_URL=https://api.cache.CELL_HOSTNAME/functions/CACHE/FUNCTION MOMENTO_API_KEY=… \
//     node examples/publisher.mjs greetings 'Hello, bus!'

import { pathToFileURL } from "node:url";

// The Function waits 5 s for the handler, and then publishes.
const TIMEOUT_MS = 10_000;
const ATTEMPTS = 8;
const LONGEST_PAUSE_MS = 5_000;

/** Returns the response's status, 200 or 202, once the event is stored and the message published; otherwise throws. */
export async function publish(functionUrl, apiKey, topic, text) {
  for (let attempt = 1; ; attempt++) {
    const { status, message } = await invoke(functionUrl, apiKey, topic, text);
    if (status === 200 || status === 202) return status;
    // The same request would get the same response, unless Momento limits the rate or something failed.
    const isTransient = status === undefined || status === 429 || status >= 500;
    if (!isTransient || attempt === ATTEMPTS) {
      throw new Error(`Not published after ${attempt} attempt(s): ${status ?? "no response"} ${message}`);
    }
    // "Stored, but not published" is sent again, too: a second event on the bus is better than no message on the topic.
    const pause = Math.random() * Math.min(LONGEST_PAUSE_MS, 100 * 2 ** attempt);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function invoke(functionUrl, apiKey, topic, text) {
  try {
    const response = await fetch(`${functionUrl}?topic=${encodeURIComponent(topic)}`, {
      method: "POST",
      headers: { authorization: apiKey, "content-type": "text/plain" },
      body: text,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { status: response.status, message: await response.text() };
  } catch (error) {
    return { status: undefined, message: error.message };
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [topic, text] = process.argv.slice(2);
  console.log(await publish(process.env.FUNCTION_URL, process.env.MOMENTO_API_KEY, topic, text));
}
