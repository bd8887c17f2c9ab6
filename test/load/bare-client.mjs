// Creates objects at an API server as fast as they are answered, by a pool of connections like the gateway's, and does nothing else: what
// the API server can do. Told by messages:
//
//   {url, ca, token, object, from, durationMs}       copies of this object, with other names
import { createRequire } from 'node:module';
import { Pool } from 'undici';

createRequire(import.meta.url)('../../dist/cli/correct-v8.js').correctV8();

const connections = 32;
/** As many as the gateway has under way. */
const atOnce = 24;

/** The object's text in pieces, between which its name and its fingerprint belong. */
function copier({ apiVersion, kind, metadata: { name, namespace, labels, annotations }, spec }) {
  const text = JSON.stringify({ apiVersion, kind, metadata: { name, namespace, labels, annotations }, spec });
  // A label has the first 63 digits of it.
  const fingerprint = spec.fingerprint.slice(0, 63);
  return (number) =>
    text.replaceAll(fingerprint, number.toString(16).padStart(63, 'f')).replace(`"${name}"`, `"bare-${number}"`);
}

async function run({ url, ca, token, object, from, durationMs }) {
  const pool = new Pool(url, { connections, connect: { ca } });
  const copy = copier(object);
  const path = `/apis/${object.apiVersion}/namespaces/${object.metadata.namespace}/remediationrequests?fieldValidation=Strict`;
  const headers = {
    accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    'content-type': 'application/json',
    authorization: `Bearer ${token}`,
  };
  const begin = performance.now();
  let sent = 0;
  const work = async () => {
    while (performance.now() - begin < durationMs) {
      const { statusCode, body } = await pool.request({ method: 'POST', path, headers, body: copy(from + sent++) });
      const text = await body.text();
      if (statusCode !== 201) throw new Error(`the API server answered ${statusCode}: ${text}`);
      JSON.parse(text);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const seconds = (performance.now() - begin) / 1000;
  await pool.close();
  return { sent, seconds };
}

process.on('message', async (order) => {
  if (order !== 'probe') process.send(await run(order));
});
process.send({ ready: true });
// The probe does not keep it.
process.channel.ref();
