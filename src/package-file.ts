import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder of the package: what runs may lie anywhere in it, compiled file by file or in one. */
function packageFolder(folder = __dirname): string {
  return existsSync(join(folder, 'package.json')) ? folder : packageFolder(dirname(folder));
}

/** The path of a file that comes with the gateway, e.g. of its policies. */
export function packageFile(...path: string[]): string {
  return join(packageFolder(), ...path);
}
