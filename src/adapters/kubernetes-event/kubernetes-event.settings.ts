import { Flag, TextMap } from '../../config/setting';
import { SourceSettings } from '../../config/source-settings';
import { severities } from '../../signal/severity';

export class KubernetesEventSettings extends SourceSettings {
  override enabled = true;
  override path = '/api/v1/signals/kubernetes-event';

  @TextMap(
    {
      range: `a map from reasons to ${severities.join(', ')}`,
      values: severities,
    },
    'The severity of events by their reason. One that is not listed is a warning. A map of yours replaces the whole one.',
  )
  severities: Record<string, string> = {
    OOMKilled: 'critical',
    OOMKilling: 'critical',
    NodeNotReady: 'critical',
    FailedScheduling: 'critical',
    Evicted: 'critical',
    FailedMount: 'critical',
    NetworkNotReady: 'critical',
  };

  @Flag(
    'Whether the gateway watches the Warning events of the cluster itself, beside what is posted. One replica does, by a Lease.',
  )
  watch = false;
}
