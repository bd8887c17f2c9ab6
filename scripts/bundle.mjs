// Makes dist/bundle.js, the program in one file: npm run build
//
// To find and read 1,300 files of packages one after the other takes longer than to start. What the compiler made stays beside it: the load
// suite runs parts of it. What cannot be bundled, or is only looked for, stays in node_modules. dist/main.js runs it (src/program.ts).
import { chmod, readFile, writeFile } from 'node:fs/promises';
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
/** What has files that are found by where the package lies: the explorer's pages. */
const withFiles = ['swagger-ui-dist'];

/**
 * What packages bring and nothing here uses: of the Kubernetes client all but what finds and reads its configuration (17 MB of classes, an
 * HTTP client of its own), of class-validator the telephone numbers of the world.
 */
const unused = {
  './gen/index.js': ['createConfiguration', 'ServerConfiguration'],
  undici: ['Agent', 'ProxyAgent'],
  'libphonenumber-js/max': ['parsePhoneNumberFromString'],
};
const withoutUnused = {
  name: 'without-unused',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({
      path: join(require.resolve('@kubernetes/client-node'), '..', 'config.js'),
    }));
    onResolve({ filter: /^(\.\/gen\/index\.js|undici|libphonenumber-js\/max)$/ }, ({ path, importer }) =>
      /node_modules\/(@kubernetes\/client-node|class-validator)\//.test(importer)
        ? { path, namespace: 'unused' }
        : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({
      contents: unused[path]
        .map((name) => `export function ${name}() { throw new Error('${name} of ${path} is not in the bundle'); }`)
        .join('\n'),
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

/** Of undici what calls servers; it brings all of fetch, WebSockets and caches as well, for 40 ms of each start. */
const calls = {
  name: 'calls',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^undici$/ }, ({ path }) => ({ path, namespace: 'calls' }));
    onLoad({ filter: /.*/, namespace: 'calls' }, () => ({
      resolveDir: join(require.resolve('undici'), '..'),
      // As its index does.
      contents: `
        export { default as Pool } from './lib/dispatcher/pool.js';
        import Dispatcher from './lib/dispatcher/dispatcher.js';
        import api from './lib/api/index.js';
        Object.assign(Dispatcher.prototype, api);`,
    }));
  },
};

/** The engine of policies is here, and found by where its package lies for the thread that tries them. */
const byPlace = {
  name: 'by-place',
  setup({ onResolve }) {
    onResolve({ filter: /^@open-policy-agent\/opa-wasm$/ }, ({ path, kind }) =>
      kind === 'require-resolve' ? { path, external: true } : undefined,
    );
  },
};

/**
 * A function that is assigned to a member is old for V8 from the start: it keeps what it can reach until the next major collection. Of each
 * command of ioredis that was all that was sent and answered, 280 bytes of each known alert among 50, and a seventh of its CPU (ADR 0010).
 */
const shortLived = {
  name: 'short-lived',
  setup({ onLoad, onEnd }) {
    let isChanged = false;
    onLoad({ filter: /node_modules\/ioredis\/built\/Command\.js$/ }, async ({ path }) => {
      const contents = await readFile(path, 'utf8');
      const changed = contents.replace(
        /this\.reject = (\(err\) => \{.*?\n {12}\};)/s,
        'const rejectCommand = $1\nthis.reject = rejectCommand;',
      );
      isChanged = changed !== contents;
      return { contents: changed };
    });
    const text = 'ioredis is not what it was: see whether its commands are short-lived';
    onEnd(() => (isChanged ? undefined : { errors: [{ text }] }));
  },
};

const { warnings } = await build({
  entryPoints: ['dist/cli/run.js'],
  outfile: 'dist/bundle.js',
  bundle: true,
  platform: 'node',
  target: 'node22',
  format: 'cjs',
  // What stays outside is required: that a script imports is an experiment, of which Node.js warns at every start.
  supported: { 'dynamic-import': false },
  external: [...lookedFor.flatMap((name) => [name, `${name}/*`]), ...withFiles],
  plugins: [withoutUnused, oneRequire, calls, byPlace, shortLived],
  define: { 'import.meta.url': 'importMetaUrl' },
  // As Node.js wraps a module of CommonJS.
  banner: {
    js: "(function (exports, require, module, __filename, __dirname) { const importMetaUrl = require('node:url').pathToFileURL(__filename).href;",
  },
  footer: { js: '})' },
  logLevel: 'warning',
});
// Such as a name that a package does not export.
if (warnings.length > 0) process.exit(1);
// One character beyond ASCII, and the engine keeps two bytes for each of the whole text. What is left of them stands in regular expressions.
const text = await readFile('dist/bundle.js', 'utf8');
await writeFile(
  'dist/bundle.js',
  text.replace(/[^\0-\x7f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`),
);
// It can be run by its path.
await chmod('dist/main.js', 0o755);
