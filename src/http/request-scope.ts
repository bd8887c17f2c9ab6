import { AsyncLocalStorage } from 'node:async_hooks';
import type { FastifyRequest } from 'fastify';
import type { Caller } from '../caller';
import type { Deadline } from '../deadline';
import type { LineContext } from '../logging/gateway-logger';
import type { ProblemKind } from './problem';
import type { Waiting } from './admission';
import type { Room, Sender } from './room';

interface ScopeLine extends LineContext {
  readonly caller: Caller | undefined;
}

/** What is known of the request that is being served. Its log fields stand in every line that is written on its behalf. */
export interface RequestScope {
  readonly requestId: string;
  readonly clientIp: string;
  readonly startedAt: number;
  /** Aborts when the answer is due. */
  readonly deadline: Deadline;
  caller?: Caller;
  /** Whose room its body takes, when who calls is known by the body alone. */
  sender?: Sender;
  /** What its body takes of what may be under way. */
  room?: Room;
  /** Its place among those who wait for that. */
  waiting?: Waiting | undefined;
  /** Judges the body as it was received, before anything is made of it, when who sends it depends on that. It refuses it by what it throws, or by a rejection. */
  verifyBody?: ((body: Buffer) => Promise<never> | undefined) | undefined;
  /** What stands in each log line; made again when it becomes known who calls. */
  line?: ScopeLine;
  /** The route's pattern, never the path that was asked for. */
  readonly route: string;
  /** The source of signals that is served at the route, if one is. */
  readonly source?: string | undefined;
  /** The status that it was refused with by the parser, beside which nobody answers. */
  refusedWith?: number;
  /** Whether its end is logged and counted. */
  isTold?: boolean;
  /** Why it was refused, for the one line at the end. */
  problem?: ProblemKind;
  /** Outcomes counted for the one line at the end. */
  counts?: Readonly<Record<string, number>>;
}

const scopes = new AsyncLocalStorage<RequestScope>();
/** On the request itself: every look into a weak map costs its garbage collection. */
const scopeKey = Symbol('RequestScope');

interface Scoped {
  [scopeKey]?: RequestScope;
}

export function bindScope(request: FastifyRequest, scope: RequestScope): void {
  (request.raw as Scoped)[scopeKey] = scope;
}

/** The scope of a request, if it has got as far as its first hook: one that the router cannot read has not. */
export function scopeIfAny(request: Pick<FastifyRequest, 'raw'>): RequestScope | undefined {
  return (request.raw as Scoped)[scopeKey];
}

/** The scope of a request; every request has one from its first hook on. */
export function scopeOf(request: Pick<FastifyRequest, 'raw'>): RequestScope {
  const scope = scopeIfAny(request);
  if (scope === undefined) throw new Error('the request has no scope');
  return scope;
}

export function runInScope(scope: RequestScope, work: () => void): void {
  scopes.run(scope, work);
}

/** Milliseconds since the request arrived, rounded as the answers show them. */
export function processingTimeMs(scope: RequestScope): number {
  return Math.round(performance.now() - scope.startedAt);
}

/** What stands in every log line of the request that is being served, if one is. */
export function lineContext(): LineContext | undefined {
  const scope = scopes.getStore();
  if (scope === undefined) return undefined;
  const { requestId, clientIp, caller, source, line } = scope;
  if (line !== undefined && line.caller === caller) return line;
  const fields = { request_id: requestId, client_ip: clientIp, source, caller: caller?.username };
  scope.line = { fields, caller };
  return scope.line;
}
