import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs the real kubectl against an API server, without anybody's kubeconfig. Rejects with what it printed. */
export async function kubectl(server: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute('kubectl', ['--server', server, ...args], {
    env: { PATH: process.env.PATH, HOME: '/nonexistent', KUBECONFIG: '/dev/null' },
  });
  return stdout;
}
