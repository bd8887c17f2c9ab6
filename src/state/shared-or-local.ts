import { StateUnavailableError } from './signal-state';

/**
 * What the shared memory answers and, while it cannot be reached, that of this process.
 * @throws what is no outage
 */
export async function sharedOrLocal<Memory, Answer>(
  shared: Memory,
  local: Memory,
  operation: (memory: Memory) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await operation(shared);
  } catch (error) {
    if (!(error instanceof StateUnavailableError)) throw error;
    return operation(local);
  }
}
