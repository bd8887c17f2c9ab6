import type { RedisScript } from './redis-script';
import type { ScriptBatch, ScriptReply } from './script-batch';

/** What one call of a script carries at the most; what a webhook is processed in at once fits. */
const maxItems = 512;

/** Batches that are sent as one. */
interface Group {
  readonly script: RedisScript;
  readonly batches: ScriptBatch[];
  readonly answers: PromiseWithResolvers<ScriptReply>[];
  items: number;
}

/**
 * Webhooks that arrive in the same turn of the event loop share a round trip: calls of one script that follow each other
 * are sent as one, when the turn ends. Scripts run in the order of the calls; what makes one of them fail fails those with it.
 */
export class ScriptQueue {
  private readonly groups: Group[] = [];

  constructor(private readonly send: (script: RedisScript, batch: ScriptBatch) => Promise<ScriptReply>) {}

  run(script: RedisScript, batch: ScriptBatch): Promise<ScriptReply> {
    const answer = Promise.withResolvers<ScriptReply>();
    const group = this.groupFor(script, batch);
    group.batches.push(batch);
    group.answers.push(answer);
    group.items += batch.each.length;
    return answer.promise;
  }

  private groupFor(script: RedisScript, batch: ScriptBatch): Group {
    const last = this.groups.at(-1);
    if (last?.script === script && last.items + batch.each.length <= maxItems && isAlike(script, last, batch))
      return last;
    if (last === undefined) setImmediate(() => this.flush());
    const group = { script, batches: [], answers: [], items: 0 };
    this.groups.push(group);
    return group;
  }

  private flush(): void {
    for (const group of this.groups.splice(0)) {
      this.send(group.script, together(group.batches)).then(
        // One after the other: so each step is taken for all who waited for a reply, as in a cohort.
        (reply) => void setImmediate(settle, group, reply),
        (error: unknown) => {
          for (const { reject } of group.answers) reject(error);
        },
      );
    }
  }
}

/** Scripts that do not say how long their answers are cannot be taken apart again. */
function isAlike({ valuesEach }: RedisScript, { batches: [first] }: Group, { common }: ScriptBatch): boolean {
  return valuesEach !== undefined && first?.common.every((value, i) => value === common[i]) === true;
}

function together(batches: readonly ScriptBatch[]): ScriptBatch {
  const [first] = batches;
  if (first === undefined || batches.length === 1) return first ?? { keys: [], common: [], each: [] };
  return { ...first, keys: batches.flatMap(({ keys }) => keys), each: batches.flatMap(({ each }) => each) };
}

function settle({ script: { valuesEach = 0 }, batches, answers }: Group, reply: ScriptReply): void {
  if (batches.length === 1) {
    answers[0]?.resolve(reply);
    return;
  }
  let at = 0;
  for (const [i, { each }] of batches.entries()) {
    const end = at + each.length * valuesEach;
    answers[i]?.resolve(reply.slice(at, end));
    at = end;
  }
}
