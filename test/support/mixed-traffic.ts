import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  startKubernetesApiServer,
  type KubernetesApiServer,
} from '../../src/standalone/api-server/kubernetes-api-server';
import { standaloneObjects } from '../../src/standalone/standalone';
import { FaultyApi, statusFault } from './faulty-api';
import { GatewayProcess } from './gateway-process';
import { RedisServer } from './redis-server';
import { postWebhook, sender } from './sender';
import { beginPost } from './unfinished-post';
import { firing, resolved, webhook } from './webhook';

const stranger = { token: 'of-nobody-who-may-send', username: 'system:serviceaccount:shop:stranger' };
/** Posts without an end. */
const flood = { token: 'of-one-who-floods', username: 'system:serviceaccount:shop:flood' };
const maxBytes = 64 * 1024;
const places = ['prod-payment-service', 'staging-checkout', 'test'];
const severities = ['critical', 'warning', 'info'];
const events = '/api/v1/signals/kubernetes-event';

/** A gateway with all its neighbours, which meets a little of everything: each of its metrics moves. */
export class MixedTraffic {
  private tick = 0;
  private unfinished: Socket | undefined;

  private constructor(
    readonly gateway: GatewayProcess,
    private readonly redis: RedisServer,
    private readonly server: KubernetesApiServer,
    private readonly api: FaultyApi,
    private readonly opa: Server,
  ) {}

  static async start(): Promise<MixedTraffic> {
    const redis = await RedisServer.start();
    const listen = { host: '127.0.0.1', port: 0 };
    const server = await startKubernetesApiServer({
      listen,
      tokens: [sender, stranger, flood],
      objects: standaloneObjects(),
    });
    const api = await FaultyApi.start(server.url);
    const opa = createServer(answerAsOpa()).listen(0, '127.0.0.1');
    await once(opa, 'listening');
    const gateway = await GatewayProcess.start({
      api: api.url,
      redis: redis.addr,
      settings: {
        server: { max_bytes_in_progress: maxBytes, max_body_bytes: maxBytes / 2 },
        storm_detection: {},
        fingerprint: { identity: 'owner' },
        rate_limit: { requests_per_minute: 30 },
        priority: { opa_url: `http://127.0.0.1:${(opa.address() as AddressInfo).port}` },
      },
    });
    return new MixedTraffic(gateway, redis, server, api, opa);
  }

  /** Posts for so long, several webhooks every 200 ms. */
  async flow(seconds: number): Promise<void> {
    const end = performance.now() + seconds * 1_000;
    while (performance.now() < end) {
      await this.post();
      await delay(200);
    }
  }

  async stop(): Promise<void> {
    this.unfinished?.destroy();
    await this.gateway.kill();
    await this.api.close();
    await this.server.close();
    await this.redis.stop();
    this.opa.closeAllConnections();
    this.opa.close();
  }

  private async post(): Promise<void> {
    const i = this.tick++;
    const namespace = places[i % places.length]!;
    const severity = severities[i % severities.length]!;
    // Waves, so that lines are no straight ones.
    const count = 1 + Math.round(2 + 2 * Math.sin(i / 12));
    const alerts = Array.from({ length: count }, (_, k) => ({
      labels: { alertname: `Latency${i}`, namespace, severity, deployment: `api-${k}` },
      members: since(1 + ((i * 7) % 40)),
    }));
    const fires = webhook(...alerts.map(({ labels, members }) => firing(labels, members)));
    await this.send({ ...fires, truncatedAlerts: i % 5 === 0 ? 2 : 0 });
    for (let again = 0; again < 1 + (i % 3); again++) await this.send(fires);
    await this.send(webhook(firing({ alertname: 'Watchdog', severity: 'none' })));
    await this.send(webhook(firing({ namespace, severity }), resolved(alerts[0]!.labels)));
    await postWebhook(this.gateway.url, fires, stranger.token);
    await this.send(this.event(`web-${i}`, 'Warning'), events);
    await this.send(this.event(`web-${i}`, 'Normal'), events);
    // More than an address without a token may.
    await postWebhook(this.gateway.url, fires, 'a-bad-token');
    if (i % 5 === 0) {
      await this.flood();
      const storm = { alertname: `CrashLoop${i % 4}`, namespace, severity };
      await this.send(
        webhook(...Array.from({ length: 12 }, (_, k) => firing({ ...storm, pod: `${i}-${k}` }, since(5)))),
      );
      this.api.fail({ method: 'POST', path: /\/remediationrequests\?/ }, statusFault(500), 1);
      this.api.fail({ method: 'POST', path: /\/remediationrequests\?/ }, statusFault(403, { reason: 'Forbidden' }), 1);
    }
  }

  private async send(body: object, path?: string): Promise<void> {
    await postWebhook(this.gateway.url, body, sender.token, path);
  }

  /** One post takes all the room that its sender may have; who comes behind it is refused after a while, and it begins anew when it has taken too long. */
  private async flood(): Promise<void> {
    if (this.unfinished === undefined || this.unfinished.destroyed) {
      const rest = `content-length: ${maxBytes / 2}\r\n\r\n{`;
      const headers = { authorization: `Bearer ${flood.token}` };
      this.unfinished = await beginPost(this.gateway.url, '/api/v1/signals/prometheus', headers, rest);
      this.unfinished.on('error', () => undefined).resume();
    }
    // Not waited for; the last ones end with the gateway.
    postWebhook(this.gateway.url, webhook(), flood.token).catch(() => undefined);
  }

  private event(pod: string, type: string): object {
    return { type, reason: 'BackOff', involvedObject: { kind: 'Pod', namespace: 'test', name: pod } };
  }
}

/** Fires for so many seconds. */
function since(seconds: number): { startsAt: string } {
  return { startsAt: new Date(Date.now() - 1_000 * seconds).toISOString() };
}

/** Gives priorities in turn; one of seven it cannot decide. */
function answerAsOpa(): (
  request: unknown,
  response: { writeHead(status: number): { end(text: string): void } },
) => void {
  let asked = 0;
  return (_, response) => {
    asked += 1;
    if (asked % 7 === 0) response.writeHead(500).end('{"code":"internal_error"}');
    else response.writeHead(200).end(JSON.stringify({ result: `P${asked % 3}` }));
  };
}
