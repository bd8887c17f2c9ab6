// Does what is absent before a script of package.json runs, and says each thing it does in one line:
//
//   node scripts/prepare.mjs dependencies build tools
//
// It is the first thing that runs on a fresh clone: it and what it imports need Node.js 20 and nothing from node_modules.
// npm starts every script in the folder of package.json, so paths here are relative to that.
import { prepareBuild } from './lib/build.mjs';
import { prepareDependencies } from './lib/dependencies.mjs';
import { prepareTools } from './lib/tools.mjs';

const steps = { dependencies: prepareDependencies, build: prepareBuild, tools: prepareTools };

try {
  for (const name of process.argv.slice(2)) {
    if (!Object.hasOwn(steps, name)) throw new Error(`"${name}" is none of ${Object.keys(steps).join(', ')}`);
    steps[name]();
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
