import { namedVariables, settingsByPath, variableOf } from './environment-variables';
import { GatewayConfig } from './gateway-config';
import { live } from './reload';
import { sections, settings, snakeCase, type Setting } from './setting';

/** A complete small file; a spec loads it. */
export const exampleFile = `server:
  listen_addr: ":8080"
redis:
  addr: redis:6379
  password: \${REDIS_PASSWORD}
deduplication:
  ttl: 5m
environment:
  sources: [configmap, namespace_label, alert_label]
priority:
  fallback_table:
    critical_production: P0
    critical: P1
    default: P3
logging:
  level: info
`;

const preamble = `# Configuration

Defaults, then one YAML file (\`--config FILE\`, or \`GATEWAY_CONFIG_FILE\`), then environment variables. Every setting has the variable
\`GATEWAY_<SECTION>__<KEY>\`, e.g. \`GATEWAY_SERVER__LISTEN_ADDR\` for \`server.listen_addr\`; lists and maps are written there as YAML on one line
(\`[a, b]\`, \`{a: b}\`). A value \`\${NAME}\` in the file is the environment variable \`NAME\`. Unknown keys, wrong types and values out of range stop
the start with one message that lists them all; \`kubernaut-gateway validate-config\` says the same without starting. The effective
configuration is the first line of the log, without secrets.

\`\`\`yaml
${exampleFile}\`\`\`

Editors complete and check the file by [its JSON schema](configuration.schema.json): begin it with
\`# yaml-language-server: $schema=<path or address of the schema>\`.

Some variables have a name of their own:

| Variable | Setting |
|---|---|
${Object.entries(namedVariables)
  .map(([variable, path]) => `| \`${variable}\` | \`${path}\` |`)
  .join('\n')}

A setting marked *at once* is taken from the file as it changes, without a restart; what else differs by then is told in the log (\`configuration reloaded\`, \`need_restart\`).
A setting marked *reserved* is accepted and has no effect in this version, and says why where it will never have one; the start warns when it is set. Defaults that differ from the
original document are explained in [ADR 0003](adr/0003-defaults-that-differ.md).

This page is generated.
`;

/** The text of \`docs/configuration.md\`. */
export function configurationReference(): string {
  const config = new GatewayConfig();
  const parts = sections(config).map(({ member, description }) => sectionText(config, member, description));
  return `${preamble}\n${parts.join('\n')}`;
}

function sectionText(config: GatewayConfig, member: string, description: string): string {
  const prefix = snakeCase(member);
  const rows = [...settingsByPath(config)]
    .filter(([path]) => path.startsWith(`${prefix}.`))
    .map(([path, { setting, owner }]) =>
      row(path.slice(prefix.length + 1), path, setting, (owner as Record<string, unknown>)[setting.member]),
    );
  return `## ${prefix}\n\n${description}\n\n| Key | Default | Valid | Meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

function row(key: string, path: string, setting: Setting, value: unknown): string {
  const shown = setting.show(value);
  const standard =
    shown === undefined ? '' : `\`${typeof shown === 'string' ? shown || '""' : JSON.stringify(shown)}\``;
  const meaning = `${setting.reserved ? '*Reserved.* ' : ''}${setting.description}${live.has(path) ? ' *At once.*' : ''}<br>\`${variableOf(path)}\``;
  return `| \`${key}\` | ${standard} | ${setting.range.replaceAll('|', '\\|')} | ${meaning} |`;
}

/** JSON schema (draft 7) of the file. */
export function configurationJsonSchema(): Record<string, unknown> {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'kubernaut-gateway configuration',
    ...schemaOf(new GatewayConfig()),
  };
}

function schemaOf(owner: object): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  for (const { member, schema, description, show } of settings(owner)) {
    properties[snakeCase(member)] = {
      ...schema,
      description,
      default: show((owner as Record<string, unknown>)[member]),
    };
  }
  for (const { member, description } of sections(owner)) {
    properties[snakeCase(member)] = { description, ...schemaOf((owner as Record<string, object>)[member] ?? {}) };
  }
  return { type: 'object', additionalProperties: false, properties };
}
