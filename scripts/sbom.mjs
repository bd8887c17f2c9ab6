// Writes sbom.json, the bill of materials of what runs in production (CycloneDX). The same sources make the same bytes:
//
//   npm run sbom
import { readFileSync, writeFileSync } from 'node:fs';
import { run } from './lib/command.mjs';
import { productionPackages } from './lib/production-dependencies.mjs';
import { productionBom } from './lib/sbom.mjs';

/** Of the commit, as in the image; SOURCE_DATE_EPOCH decides where there is no git. */
function secondsOfSources() {
  return Number(process.env.SOURCE_DATE_EPOCH ?? run('git', ['log', '-1', '--format=%ct']));
}

const packages = productionPackages(JSON.parse(readFileSync('package-lock.json', 'utf8')));
const { name } = JSON.parse(readFileSync('package.json', 'utf8'));
const timestamp = new Date(secondsOfSources() * 1000).toISOString();
const all = JSON.parse(run('npm', ['sbom', '--sbom-format', 'cyclonedx']));
const bom = productionBom(all, { name, timestamp, packages });
writeFileSync('sbom.json', `${JSON.stringify(bom, null, 2)}\n`);
console.log(`wrote sbom.json: ${bom.components.length} packages`);
