import { readFileSync } from 'node:fs';
import { packageFile } from './package-file';

/** The version of the package, as `--version`, `gateway_build_info` and the OpenAPI document show it. */
export const version = (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version;
