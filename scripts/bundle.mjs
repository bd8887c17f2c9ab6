// Makes dist/main.js one file: npm run build
//
// To find and read 1,300 files of packages one after the other takes longer than to start. What the compiler made stays beside it: the load
// suite runs parts of it. What cannot be bundled, or is only looked for, stays in node_modules.
import { renameSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';

const require = createRequire(import.meta.url);

/** Nest asks whether these are installed. None of them is. */
const lookedFor = [
  '@nestjs/microservices',
  '@nestjs/websockets',
  '@nestjs/platform-express',
  '@fastify/multipart',
  '@fastify/view',
  'class-transformer/storage',
];
/** What has files that are found by where the package lies: the explorer's pages, and the engine that a thread of its own loads. */
const withFiles = ['swagger-ui-dist', '@open-policy-agent/opa-wasm'];

/** Of the Kubernetes client we use what finds and reads its configuration. The other 17 MB are a class for each kind and version. */
const clientConfiguration = {
  name: 'client-configuration',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({
      path: join(require.resolve('@kubernetes/client-node'), '..', 'config.js'),
    }));
    onResolve({ filter: /^\.\/gen\/index\.js$/ }, () => ({ path: 'generated', namespace: 'none' }));
    onLoad({ filter: /.*/, namespace: 'none' }, () => ({
      contents: `
        const absent = () => { throw new Error('the generated clients are not in the bundle'); };
        export const createConfiguration = absent;
        export class ServerConfiguration { constructor() { absent(); } }`,
    }));
  },
};

/** Modules that make a `require` of their own would load a second copy of what is in the bundle. */
const oneRequire = {
  name: 'one-require',
  setup({ onLoad }) {
    onLoad({ filter: /node_modules\/@nestjs\/.*\.js$/ }, async ({ path }) => {
      const contents = await readFile(path, 'utf8');
      return { contents: contents.replace('const require = createRequire(import.meta.url);', '') };
    });
  },
};

const { warnings } = await build({
  entryPoints: ['dist/main.js'],
  outfile: 'dist/bundle.js',
  bundle: true,
  platform: 'node',
  target: 'node22',
  format: 'cjs',
  // Nest names providers by their classes, errors are told apart by theirs.
  keepNames: true,
  external: [...lookedFor.flatMap((name) => [name, `${name}/*`]), ...withFiles],
  plugins: [clientConfiguration, oneRequire],
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
});
// Such as a name that a package does not export.
if (warnings.length > 0) process.exit(1);
renameSync('dist/bundle.js', 'dist/main.js');
