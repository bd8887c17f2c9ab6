// Posts alerts to a gateway with k6, as Alertmanager does, and fails when an answer is an error or late:
//
//   k6 run scripts/load-test-gateway.js                        10 callers, each posts 4 times a second, for 30 s
//   k6 run --vus 50 --duration 5m scripts/load-test-gateway.js
//   k6 run -e RATE=500 scripts/load-test-gateway.js            500 posts a second, whether answers come or not
//
// A gateway takes 6,000 requests a minute from one account and answers 503 to others. However many callers there are, they pause for so long
// that they stay below that; for more, set PAUSE or RATE, and raise its setting rate_limit.authenticated_requests_per_minute.
//
// GATEWAY_URL (default http://127.0.0.1:8080), TOKEN (that of a sender; `npm run standalone` prints one), NAMESPACE (default `default`), DUPLICATES (share
// of posts that repeat an alert, default 0.5), ALERTS (of a post, default 1), DURATION with RATE (default 30s), PAUSE (seconds between
// two posts of a caller without RATE; default 0.25, and more for more than 22 callers).
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter } from 'k6/metrics';

const {
  GATEWAY_URL = 'http://127.0.0.1:8080',
  TOKEN,
  NAMESPACE = 'default',
  DUPLICATES = '0.5',
  ALERTS = '1',
  RATE,
  DURATION = '30s',
  PAUSE,
} = __ENV;
if (!TOKEN) throw new Error('no token: add -e TOKEN=<token of a sender>; npm run standalone prints one');
const outcomes = {
  created: new Counter('signals_created'),
  duplicate: new Counter('signals_duplicate'),
  storm_aggregated: new Counter('signals_storm_aggregated'),
  failed: new Counter('signals_failed'),
  rejected: new Counter('signals_rejected'),
};

export const options = {
  ...(RATE
    ? {
        scenarios: {
          alerts: {
            executor: 'constant-arrival-rate',
            rate: Number(RATE),
            timeUnit: '1s',
            duration: DURATION,
            preAllocatedVUs: 100,
            maxVUs: 2000,
          },
        },
      }
    : { vus: 10, duration: '30s' }),
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
  thresholds: { http_req_failed: ['rate==0'], http_req_duration: ['p(95)<500', 'p(99)<1000'], checks: ['rate==1'] },
};

/** What the names of all callers' alerts have in common, so that one can repeat what another one has posted. */
export const setup = () => Date.now().toString(36);

/** Its number makes an alert another one; every one has a name of its own, so that none is a member of a storm. */
const alert = (run, number) => ({
  status: 'firing',
  labels: {
    alertname: `Load${run}x${number}`,
    namespace: NAMESPACE,
    pod: `payment-api-${number}`,
    severity: 'warning',
  },
  annotations: { summary: 'Pod is restarting again and again' },
  startsAt: '2026-01-01T00:00:00Z',
  generatorURL: 'http://prometheus.monitoring:9090/graph',
});

/** Of all callers together, a second: 10 % below what a gateway takes of one account. */
const mostPosts = 90;
/** Seconds, on average; callers that begin together do not stay together. */
const pause = () => Number(PAUSE || Math.max(0.25, exec.instance.vusActive / mostPosts)) * (0.5 + Math.random());

/** The first refusal of each caller is shown. */
let hasWarned = false;

export default function (run) {
  const size = Number(ALERTS);
  const post = exec.scenario.iterationInTest;
  const share = 1 - Number(DUPLICATES);
  const before = Math.floor(post * share);
  const repeats = Math.floor((post + 1) * share) === before;
  // A duplicate repeats what was posted some time ago, or, at the beginning, the first.
  const from = (repeats ? Math.max(0, before - 500) : before) * size;
  const body = JSON.stringify({ version: '4', alerts: Array.from({ length: size }, (_, i) => alert(run, from + i)) });
  const answer = http.post(`${GATEWAY_URL}/api/v1/signals/prometheus`, body, {
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
  });
  check(answer, { 'is taken': ({ status }) => status === 201 || status === 202 });
  if (answer.status === 201 || answer.status === 202) {
    const { summary, status } = answer.json();
    for (const [outcome, count] of Object.entries(summary || { [status]: 1 }))
      if (outcomes[outcome] && count > 0) outcomes[outcome].add(count);
  } else if (!hasWarned) {
    hasWarned = true;
    console.warn(`answered ${answer.status}: ${answer.body || answer.error}`);
  }
  if (!RATE) sleep(pause());
}
