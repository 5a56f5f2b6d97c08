//! Unit tests of [`Existence`], and its promises over any sequence of calls, answers and pauses.

use proptest::prelude::*;

use super::Answer::{Denied, Found, NotFound};
use super::*;

const NOW: i64 = 1_790_000_000_000;

/// What is known after these answers, each to the call of this number.
fn after(answers: &[(Answer, u64)]) -> Existence {
    let mut existence = Existence::default();
    for &(answer, number) in answers {
        existence.learn(answer, Call { number, at: NOW });
    }
    existence
}

fn answer_of(existence: &Existence) -> Option<Answer> {
    existence.known.map(|(answer, _)| answer)
}

#[test]
fn nothing_is_known_before_an_answer() {
    let existence = Existence::default();
    assert!(existence.is_check_due(NOW) && !existence.is_known() && !existence.is_missing() && !existence.is_denied());
}

#[test]
fn an_answer_to_an_earlier_call_never_replaces_that_to_a_later_one() {
    assert_eq!(answer_of(&after(&[(NotFound, 2), (Found, 1)])), Some(NotFound));
    assert_eq!(answer_of(&after(&[(Found, 2), (NotFound, 1)])), Some(Found));
    assert_eq!(answer_of(&after(&[(Found, 1), (NotFound, 2)])), Some(NotFound));
    assert_eq!(answer_of(&after(&[(NotFound, 1), (Found, 2)])), Some(Found));
}

#[test]
fn denied_counts_only_where_nothing_is_known() {
    assert_eq!(answer_of(&after(&[(Denied, 1)])), Some(Denied));
    assert_eq!(answer_of(&after(&[(NotFound, 1), (Denied, 2)])), Some(NotFound));
    assert_eq!(answer_of(&after(&[(Found, 1), (Denied, 2)])), Some(Found));
    assert_eq!(answer_of(&after(&[(Denied, 1), (NotFound, 2)])), Some(NotFound));
}

#[test]
fn a_check_is_due_five_seconds_after_the_last_one_began_until_the_answer_is_clear() {
    for (existence, again_after) in [
        (after(&[]), Some(5_000)),
        (after(&[(NotFound, 0)]), Some(5_000)),
        (after(&[(Found, 0)]), Some(60_000)),
        (after(&[(Denied, 0)]), None),
    ] {
        let mut existence = existence;
        existence.begin_check(NOW);
        existence.end_check();
        let is_due = |pause| existence.is_check_due(NOW + pause);
        match again_after {
            Some(pause) => assert!(!is_due(0) && !is_due(pause - 1) && is_due(pause)),
            None => assert!(!is_due(5_000) && !is_due(600_000)),
        }
    }
}

#[test]
fn an_old_found_is_checked_again_every_five_seconds_until_there_is_an_answer() {
    let mut existence = after(&[(Found, 0)]);
    existence.begin_check(NOW + 60_000);
    existence.end_check();
    assert!(!existence.is_check_due(NOW + 64_999) && existence.is_check_due(NOW + 65_000));
}

#[test]
fn a_clock_that_was_set_back_makes_no_pause_longer() {
    let mut existence = after(&[(Found, 0)]);
    existence.begin_check(NOW);
    existence.end_check();
    assert!(existence.is_check_due(NOW - 3_600_000));
}

/// One thing that happens to a process.
#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Request,
    /// An answer to the call of the check that is this far from the newest, if it runs.
    Answer(usize, Option<Answer>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let answer = prop::option::of(prop::sample::select(vec![Found, NotFound, Denied]));
    let step = prop_oneof![
        (0..70_000_i64).prop_map(Step::Wait),
        Just(Step::Request),
        (0..2_usize, answer).prop_map(|(which, answer)| Step::Answer(which, answer)),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn what_was_asked_last_counts_and_nothing_is_asked_too_often(steps in steps()) {
        let (mut existence, mut now, mut number) = (Existence::default(), NOW, 0);
        let (mut running, mut begun): (Vec<Call>, Vec<i64>) = (Vec::new(), Vec::new());
        let mut latest: Option<(u64, Answer)> = None;
        for step in steps {
            match step {
                Step::Wait(time) => now += time,
                Step::Request if existence.is_check_due(now) => {
                    existence.begin_check(now);
                    number += 1;
                    running.push(Call { number, at: now });
                    begun.push(now);
                }
                Step::Request => {}
                Step::Answer(which, answer) => {
                    if which < running.len() {
                        let call = running.remove(running.len() - 1 - which);
                        existence.end_check();
                        if let Some(answer) = answer {
                            existence.learn(answer, call);
                            if latest.is_none_or(|(number, _)| number < call.number)
                                && (answer != Denied || latest.is_none())
                            {
                                latest = Some((call.number, answer));
                            }
                        }
                    }
                }
            }
            prop_assert_eq!(existence.is_checking(), !running.is_empty());
            prop_assert_eq!(existence.is_missing(), matches!(latest, Some((_, NotFound))));
            prop_assert_eq!(existence.is_denied(), matches!(latest, Some((_, Denied))));
        }
        prop_assert!(begun.windows(2).all(|pair| pair[1] - pair[0] >= 5_000));
    }
}
