import { sharedOrLocal } from './shared-or-local';
import type { Placement, StormGroup, StormRules, StormWindows } from './storm-windows';

/** The shared windows, and while they cannot be reached those of this process. */
export class DegradingStormWindows implements StormWindows {
  constructor(
    private readonly shared: StormWindows,
    private readonly local: StormWindows,
  ) {}

  place(groups: readonly StormGroup[], rules: StormRules): Promise<(readonly Placement[])[]> {
    return sharedOrLocal(this.shared, this.local, (windows) => windows.place(groups, rules));
  }

  async close(key: string): Promise<void> {
    await Promise.all([this.local.close(key), sharedOrLocal(this.shared, this.local, (windows) => windows.close(key))]);
  }
}
