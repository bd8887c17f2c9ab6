import { setFlagsFromString } from 'node:v8';

/** Called when all is loaded: what Node.js brings compiled is compiled anew once a flag has changed (ADR 0010). */
export function correctV8(): void {
  // V8 watches which allocations outlive collections, and makes those of the same place old from the start. Where the first webhooks wait
  // long for the API server it learns that what belongs to a webhook is old. It is not: from then on whatever such an object points to is
  // kept until the next major collection, which took a third of the CPU.
  setFlagsFromString('--no-allocation-site-pretenuring');
  // In a process with little to do V8 collects garbage, and with it the shapes of objects of which there is none at the moment. What was
  // compiled for them goes too, and the first alerts after a quiet minute took four times the CPU. The garbage alone may go.
  setFlagsFromString('--no-memory-reducer-favors-memory');
}
