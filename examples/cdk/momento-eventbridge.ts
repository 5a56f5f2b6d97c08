import { Stack, Token, type StackProps } from "aws-cdk-lib";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";
import type { Construct } from "constructs";

/** The parameters of template.yaml that most stacks set. docs/deploying.md lists all of them. */
export interface MomentoEventBridgeProps extends StackProps {
  /** The template of a release. */
  templateFile: string;
  /** Name or full ARN of the secret that holds the signing secret. Without it, deploy with --parameters MomentoSecretString=… */
  existingSecret?: string;
  existingSecretKeyArn?: string;
  /** Name or ARN of the event bus. */
  eventBridgeBus?: string;
  endpoint?: "FunctionUrl" | "HttpApi";
  domainName?: string;
  certificateArn?: string;
  archiveDays?: number;
  logDays?: number;
  eventLog?: boolean;
  alarmEmail?: string;
  alarmTopicArn?: string;
  dashboard?: boolean;
  permissionsBoundaryArn?: string;
  rolePath?: string;
  kmsKeyArn?: string;
  architecture?: "arm64" | "x86_64";
  /** Any other parameter of the template, by its name. */
  parameters?: Record<string, string | number | boolean>;
}

export class MomentoEventBridgeStack extends Stack {
  /** The webhook's destination, for Momento. */
  readonly functionUrl: string;
  readonly template: CfnInclude;

  constructor(scope: Construct, id: string, props: MomentoEventBridgeProps) {
    super(scope, id, props);
    const { templateFile, parameters } = props;
    this.template = new CfnInclude(this, "Template", {
      templateFile,
      parameters: asText({
        ExistingSecret: props.existingSecret,
        ExistingSecretKeyArn: props.existingSecretKeyArn,
        EventBridgeBus: props.eventBridgeBus,
        Endpoint: props.endpoint,
        DomainName: props.domainName,
        CertificateArn: props.certificateArn,
        ArchiveDays: props.archiveDays,
        LogDays: props.logDays,
        EventLog: props.eventLog,
        AlarmEmail: props.alarmEmail,
        AlarmTopicArn: props.alarmTopicArn,
        Dashboard: props.dashboard,
        PermissionsBoundaryArn: props.permissionsBoundaryArn,
        RolePath: props.rolePath,
        KmsKeyArn: props.kmsKeyArn,
        Architecture: props.architecture,
        ...parameters,
      }),
    });
    this.functionUrl = this.template.getOutput("FunctionUrl").value;
  }
}

/** What is left out keeps the template's default. */
function asText(values: Record<string, string | number | boolean | undefined>): Record<string, string> {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, text(name, value!)]));
}

function text(name: string, value: string | number | boolean): string {
  // CloudFormation evaluates the template's conditions before it creates any resource.
  if (Token.isUnresolved(value)) {
    throw new Error(`${name} must be a literal value, not an attribute of a resource in this app.`);
  }
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}
