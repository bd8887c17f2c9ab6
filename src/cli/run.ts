import 'reflect-metadata';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Environment } from '../config/environment-variables';
import { messageOf } from '../error-message';
import { opaEndpoint } from '../processing/priority/opa-server';
import { policyOptionsOf, usablePolicy } from '../processing/priority/priority-policy';
import { version } from '../version';
import { applyCrd } from './apply-crd';
import { asTable, checkDependencies } from './check';
import { configSource } from './config-source';
import { runPolicy } from './policy';
import { runStandalone } from './standalone';
import { serveCluster } from './serve';

const usage = `kubernaut-gateway ${version}

  kubernaut-gateway [--config FILE]                 serves a cluster: kubeconfig or in-cluster, Redis
  kubernaut-gateway standalone [--config FILE] [--listen 127.0.0.1:8080] [--api-listen 127.0.0.1:8001]
                               [--data DIR] [--token TOKEN]
                                                    for trying and testing: nothing else is needed
  kubernaut-gateway validate-config [--config FILE] checks the configuration, environment and policy included
  kubernaut-gateway check [--config FILE]           looks at all that it needs: Redis, API server, CRD, permissions, policy
  kubernaut-gateway apply-crd [--config FILE]       brings the CRD of this version into the cluster
  kubernaut-gateway policy check FILE               compiles a priority policy and tries it
  kubernaut-gateway policy eval FILE --input JSON   tells what it decides; JSON may be a file
  kubernaut-gateway --help | --version

Every setting: docs/configuration.md`;

/** Runs a command line. Rejects with what to tell the person who typed it. */
export async function run(args: readonly string[], env: Environment): Promise<void> {
  const [first, ...rest] = args.includes('--help') || args.includes('-h') ? ['help'] : args;
  switch (first) {
    case 'standalone': {
      const { config, ...flags } = flagsOf(rest, ['config', 'listen', 'api-listen', 'data', 'token']);
      await runStandalone({
        file: config,
        listen: flags.listen,
        apiListen: flags['api-listen'],
        data: flags.data,
        token: flags.token,
        env,
      });
      return;
    }
    case 'validate-config': {
      const { priority } = configSource(flagsOf(rest, ['config']).config, env).load();
      if (priority.opaUrl === '') await usablePolicy(policyOptionsOf(priority));
      else opaEndpoint(priority.opaUrl);
      process.stdout.write('the configuration is valid\n');
      return;
    }
    case 'check': {
      const checked = await checkDependencies(configSource(flagsOf(rest, ['config']).config, env).load());
      process.stdout.write(`${asTable(checked)}\n`);
      const missing = checked.filter(({ state }) => state === 'missing').length;
      if (missing > 0) throw new Error(`${missing} of what it needs ${missing === 1 ? 'is' : 'are'} missing`);
      return;
    }
    case 'apply-crd': {
      const applied = await applyCrd(configSource(flagsOf(rest, ['config']).config, env).load());
      for (const name of applied) process.stdout.write(`${name} is that of version ${version}\n`);
      return;
    }
    case 'policy': {
      const { values, positionals } = parsed(rest, ['input', 'opa'], true);
      const [action, file] = positionals;
      process.stdout.write(`${await runPolicy(action, file, values.input, values.opa ?? 'opa')}\n`);
      return;
    }
    case 'help':
      process.stdout.write(`${usage}\n`);
      return;
    case '--version':
      process.stdout.write(`${version}\n`);
      return;
    default: {
      if (first !== undefined && !first.startsWith('-')) throw new Error(`there is no command "${first}"\n\n${usage}`);
      await serveCluster(configSource(flagsOf(args, ['config']).config, env));
    }
  }
}

function flagsOf<N extends string>(args: readonly string[], names: readonly N[]): Partial<Record<N, string>> {
  return parsed(args, names, false).values;
}

function parsed<N extends string>(
  args: readonly string[],
  names: readonly N[],
  allowPositionals: boolean,
): { readonly values: Partial<Record<N, string>>; readonly positionals: readonly string[] } {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' }])) as ParseArgsConfig['options'];
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: options ?? {}, allowPositionals });
    return { values: values as Partial<Record<N, string>>, positionals };
  } catch (error) {
    throw new Error(`${messageOf(error)}\n\n${usage}`, { cause: error });
  }
}
