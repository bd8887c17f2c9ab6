import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of the package, as `--version`, `gateway_build_info` and the OpenAPI document show it. */
export const version = (JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8')) as { version: string })
  .version;
