// What the gateway is to reach beside the floor, of the scenarios that were run.
const throughput = {
  new: [0.65, 0.9],
  half: [0.65, 0.9],
  duplicates: [0.65, 0.9],
  'new-50': [0.7, 0.85],
  'duplicates-50': [0.7, 0.85],
};
/** CPU of an alert among 50, as a share of that of one alone. */
const grouped = { new: [0.5, 0.42], duplicates: [0.3, 0.22] };
/** A claim and a confirmation; what is known needs the claim alone. */
const roundTrips = { new: 2, duplicates: 1 };

export function goalsOf(results) {
  const of = (name) => results.find(({ scenario }) => scenario === name);
  const goals = [];
  const add = (what, measured, must, aim, more = {}) => goals.push({ what, measured, must, aim, ...more });
  for (const [name, [must, aim]] of Object.entries(throughput))
    if (of(name)) add(`${name}: ratio`, of(name).ratio, must, aim, { least: true });
  for (const [name, [must, aim]] of Object.entries(grouped)) {
    const [alone, among] = [of(name), of(`${name}-50`)];
    if (alone && among) add(`${name}-50: CPU by ${name}`, among.gateway.cpuMicros / alone.gateway.cpuMicros, must, aim);
  }
  if (of('duplicates')) add('duplicates: CPU', of('duplicates').gateway.cpuMicros, 90, 60, { unit: ' µs' });
  for (const [name, most] of Object.entries(roundTrips))
    if (of(name)) add(`${name}: round trips to Redis`, of(name).gateway.scripts, most, most);
  if (of('new')) add('new: connections per create', of('new').gateway.connectionsPerCreate, 0.001, 0.001);
  const starts = results.map(({ gateway }) => gateway.startSeconds).sort((a, b) => a - b);
  add('start to ready', starts[Math.floor(starts.length / 2)], 0.8, 0.4, { unit: ' s' });
  return goals;
}
