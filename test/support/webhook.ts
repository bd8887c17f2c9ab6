/** Alertmanager's webhook, as parsed from its JSON. */
export interface Webhook {
  readonly version: string;
  readonly groupKey: string;
  readonly receiver: string;
  readonly status: string;
  readonly externalURL: string;
  readonly truncatedAlerts: number;
  readonly alerts: readonly unknown[];
}

/** A webhook of these alerts. What is not an alert is sent as it is. */
export function webhook(...alerts: readonly unknown[]): Webhook {
  return {
    version: '4',
    groupKey: '{}:{alertname="HighMemoryUsage"}',
    receiver: 'kubernaut-gateway',
    status: 'firing',
    externalURL: 'https://alertmanager.example.com',
    truncatedAlerts: 0,
    alerts,
  };
}

type Labels = Readonly<Record<string, unknown>>;

/** An alert that fires; `members` are those beside the labels, e.g. `{startsAt, annotations}`. */
export function firing(labels: Labels, members: object = {}): object {
  return {
    status: 'firing',
    labels,
    annotations: {},
    startsAt: '2025-10-04T10:00:00Z',
    endsAt: '0001-01-01T00:00:00Z',
    ...members,
  };
}

/** An alert that no longer fires. */
export function resolved(labels: Labels, members: object = {}): object {
  return { ...firing(labels), status: 'resolved', endsAt: '2025-10-04T10:05:00Z', ...members };
}
