import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Begins what belongs to nobody's request although one may be the first to need it, such as a timer that serves many: what it logs names no
 * request, and it keeps nothing of the one that began it.
 */
export const outsideRequests = AsyncLocalStorage.snapshot();
