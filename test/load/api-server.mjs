// As much of a Kubernetes API server as a gateway under load needs, and as cheap as can be, so that it is not what is measured: lists and
// watches, reviews that are granted, RemediationRequests that are created, patched and told to watches. In a process of its own:
//
//   node test/load/api-server.mjs [milliseconds that each call takes] [milliseconds that an object lives]
//
// An object that has lived is completed and deleted, and watches are told both, as they are where somebody remediates.
import { Buffer } from 'node:buffer';
import { createServer } from 'node:http';
import { setInterval } from 'node:timers';
import { setTimeout as pause } from 'node:timers/promises';
import { spread } from './spread.mjs';

const latencyMs = Number(process.argv[2] ?? 0);
const lifeMs = Number(process.argv[3] ?? Infinity);
/** Their texts as bytes, which lie outside the heap: a benchmark creates some hundred thousand. */
const objects = new Map();
/** Open ones: those of RemediationRequests, and all others. */
const watches = new Set();
const quietWatches = new Set();
/** A watch of which nothing is heard for longer is not believed, and the server asked instead. Milliseconds. */
const bookmarkEveryMs = 30_000;
const counts = { creates: 0, patches: 0, deleted: 0, connections: 0 };
/** What calls have taken since that was asked. Milliseconds. */
let took = [];
/** Names in the order in which they were created, and when. */
const lives = [];
let version = 1000;

const collection =
  /^\/apis\/remediation\.kubernaut\.io\/v1\/(?:namespaces\/[^/?]+\/)?remediationrequests(?:\/([^/?]+))?(\/status)?(?:\?(.*))?$/;
/** A failure that concerns the object of this name. */
const failure = (code, reason, name) =>
  JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, details: { name } });
const tell = (type, text) => {
  for (const watch of watches) watch.write(`{"type":"${type}","object":${text}}\n`);
};

function tellBookmarks() {
  const bookmark = `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"${version}"}}}\n`;
  for (const watch of [...watches, ...quietWatches]) watch.write(bookmark);
}
setInterval(tellBookmarks, bookmarkEveryMs);

function* texts() {
  for (const bytes of objects.values()) yield bytes.toString();
}

/** The object as a server stores it, made of the text that was sent: to parse it would cost more than all else here. */
function stored(text) {
  version += 1;
  const uid = `"uid":"00000000-0000-4000-8000-${version.toString(16).padStart(12, '0')}"`;
  const members = `${uid},"resourceVersion":"${version}","generation":1,"creationTimestamp":"${new Date().toISOString()}",`;
  return text.replace('"metadata":{', `"metadata":{${members}`);
}

/** As a server does that is asked for metadata alone. */
const metadataOf = (text) => `${text.slice(0, text.indexOf(',"spec":{'))}}`;

function answer(method, url, text, accept = '') {
  const matched = collection.exec(url);
  if (matched) {
    const [code, body] = ofRequests(method, matched, text);
    return [code, code === 201 && accept.includes('as=PartialObjectMetadata') ? metadataOf(body) : body];
  }
  const path = url.replace(/\?.*/, '');
  if (method === 'POST') {
    const review = JSON.parse(text);
    const username = 'system:serviceaccount:monitoring:alertmanager';
    review.status = path.endsWith('/tokenreviews')
      ? { authenticated: true, user: { username, groups: ['system:authenticated'] }, audiences: review.spec?.audiences }
      : { allowed: true };
    return [201, JSON.stringify(review)];
  }
  const items =
    path === '/api/v1/namespaces'
      ? [{ metadata: { name: 'shop', uid: 'shop', resourceVersion: '1', labels: { environment: 'production' } } }]
      : [];
  return [200, JSON.stringify({ kind: 'List', metadata: { resourceVersion: String(version) }, items })];
}

function ofRequests(method, [, name, , query = ''], text) {
  if (method === 'POST') {
    const created = stored(text);
    if (query.includes('dryRun')) return [201, created];
    const named = /"name":"([^"]+)"/.exec(text)[1];
    if (objects.has(named)) return [409, failure(409, 'AlreadyExists', named)];
    counts.creates += 1;
    objects.set(named, Buffer.from(created));
    tell('ADDED', created);
    if (lifeMs !== Infinity) lives.push([named, performance.now()]);
    return [201, created];
  }
  if (name === undefined) {
    const selected = /fingerprint%3D([0-9a-f]+)/.exec(query)?.[1];
    const items = [...texts()].filter((object) => selected === undefined || object.includes(selected));
    return [200, `{"kind":"List","metadata":{"resourceVersion":"${version}"},"items":[${items.join()}]}`];
  }
  const before = objects.get(name)?.toString();
  if (before === undefined) return [404, failure(404, 'NotFound', name)];
  if (method === 'GET') return [200, before];
  const patch = JSON.parse(text);
  if (patch.metadata.resourceVersion !== JSON.parse(before).metadata.resourceVersion)
    return [409, failure(409, 'Conflict', name)];
  counts.patches += 1;
  return [200, changed(name, before, patch.status)];
}

function changed(name, before, status) {
  const object = JSON.parse(before);
  version += 1;
  object.metadata.resourceVersion = String(version);
  object.status = { ...object.status, ...status };
  const after = JSON.stringify(object);
  objects.set(name, Buffer.from(after));
  tell('MODIFIED', after);
  return after;
}

function endLives() {
  const due = performance.now() - lifeMs;
  while (lives.length > 0 && lives[0][1] < due) {
    const [name] = lives.shift();
    const over = { overallPhase: 'Completed', completionTime: new Date().toISOString() };
    const last = changed(name, objects.get(name).toString(), over);
    objects.delete(name);
    counts.deleted += 1;
    tell('DELETED', last);
  }
}
if (lifeMs !== Infinity) setInterval(endLives, 100);

/** The alerts that requests of storms count, and how many such requests there are. */
function storms() {
  const found = [];
  for (const text of texts()) {
    const match = /"alertCount":(\d+)/.exec(text);
    if (match !== null) found.push(match);
  }
  return { storms: found.length, stormAlerts: found.reduce((sum, [, count]) => sum + Number(count), 0) };
}

const server = createServer((incoming, outgoing) => {
  if (incoming.method === 'GET' && incoming.url.includes('watch=')) {
    outgoing.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    const open = incoming.url.includes('remediationrequests') ? watches : quietWatches;
    open.add(outgoing);
    outgoing.on('close', () => open.delete(outgoing));
    return;
  }
  const begin = performance.now();
  let text = '';
  incoming.setEncoding('utf8');
  incoming.on('data', (chunk) => (text += chunk));
  incoming.on('end', async () => {
    const [code, body] = answer(incoming.method, incoming.url, text, incoming.headers.accept);
    if (latencyMs > 0) await pause(latencyMs);
    outgoing.writeHead(code, {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    });
    outgoing.end(body);
    took.push(performance.now() - begin);
  });
});
server.keepAliveTimeout = 600_000;
server.on('connection', () => (counts.connections += 1));
server.listen(0, '127.0.0.1', () => process.send({ url: `http://127.0.0.1:${server.address().port}` }));
process.on('message', (message) => {
  // To look into all objects takes some time.
  process.send({ ...counts, ...(message === 'storms' ? storms() : {}), objects: objects.size, took: spread(took) });
  took = [];
});
process.on('disconnect', () => process.exit());
