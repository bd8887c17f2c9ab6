import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Alertmanager, type PushedAlert } from '../support/alertmanager';
import { until } from '../support/until';

interface Webhook {
  readonly authorization: string | undefined;
  readonly alerts: readonly { status: string; labels: Record<string, string> }[];
  readonly truncatedAlerts: number;
}

const received: Webhook[] = [];
let answer = 200;
let server: Server;
let alertmanager: Alertmanager | undefined;

beforeEach(async () => {
  received.length = 0;
  answer = 200;
  server = createServer((request, response) => {
    void text(request).then((body) => {
      const { alerts, truncatedAlerts } = JSON.parse(body) as Pick<Webhook, 'alerts' | 'truncatedAlerts'>;
      received.push({ authorization: request.headers.authorization, alerts, truncatedAlerts });
      response.writeHead(answer).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  await alertmanager?.stop();
  alertmanager = undefined;
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

function webhookUrl(): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const anAlert = (pod: string): PushedAlert => ({ labels: { alertname: 'HighMemoryUsage', namespace: 'prod', pod } });

it('sends a pushed alert with the bearer token, and its end when it is resolved', async () => {
  alertmanager = await Alertmanager.start({ webhookUrl: webhookUrl(), token: 'a-token' });
  await alertmanager.push([anAlert('one')]);
  await until(() => received.length === 1);
  await alertmanager.resolve([anAlert('one')]);
  await until(() => received.length === 2);

  expect(received).toMatchObject([
    { authorization: 'Bearer a-token', alerts: [{ status: 'firing', labels: { pod: 'one' } }] },
    { authorization: 'Bearer a-token', alerts: [{ status: 'resolved', labels: { pod: 'one' } }] },
  ]);
});

it('groups by the labels it is given and keeps to the number of alerts in a webhook', async () => {
  alertmanager = await Alertmanager.start({
    webhookUrl: webhookUrl(),
    groupBy: ['namespace'],
    groupWait: '1s',
    maxAlerts: 2,
  });
  await alertmanager.push(['one', 'two', 'three'].map(anAlert));
  await until(() => received.length === 1);

  expect(received[0]).toMatchObject({ authorization: undefined, truncatedAlerts: 1 });
  expect(received[0]?.alerts).toHaveLength(2);
});

it('counts and logs a webhook that was refused', async () => {
  answer = 400;
  alertmanager = await Alertmanager.start({ webhookUrl: webhookUrl() });
  await alertmanager.push([anAlert('one')]);
  await until(() => alertmanager!.log.includes('unexpected status code 400'));

  expect(await alertmanager.notifications()).toEqual({ total: 1, failed: 1 });
});
