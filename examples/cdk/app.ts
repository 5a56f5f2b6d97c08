import { App } from "aws-cdk-lib";
import { MomentoEventBridgeStack } from "./momento-eventbridge.ts";

// CDK would check the branches of the template's conditions that are not taken as well. cfn-lint has checked the template.
const app = new App({ builtinCloudFormationValidation: false });

new MomentoEventBridgeStack(app, "MomentoEventBridge", {
  templateFile: "template.yaml",
  existingSecret: "arn:aws:secretsmanager:us-east-1:111122223333:secret:momento/signing-secret-AbCdEf",
  eventLog: true,
});
