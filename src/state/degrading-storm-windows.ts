import { type Placement, type StormGroup, type StormRules, type StormWindows } from './storm-windows';
import { StateUnavailableError } from './signal-state';

/** The shared windows, and while they cannot be reached those of this process. */
export class DegradingStormWindows implements StormWindows {
  constructor(
    private readonly shared: StormWindows,
    private readonly local: StormWindows,
  ) {}

  place(groups: readonly StormGroup[], rules: StormRules): Promise<(readonly Placement[])[]> {
    return this.sharedOrLocal((windows) => windows.place(groups, rules));
  }

  async close(key: string): Promise<void> {
    await Promise.all([this.local.close(key), this.sharedOrLocal((windows) => windows.close(key))]);
  }

  private async sharedOrLocal<Answer>(operation: (windows: StormWindows) => Promise<Answer>): Promise<Answer> {
    try {
      return await operation(this.shared);
    } catch (error) {
      if (!(error instanceof StateUnavailableError)) throw error;
      return operation(this.local);
    }
  }
}
