import { chartVariants } from '../support/chart-variants';
import { renderedText } from '../support/helm';
import { criticalFindings } from '../support/kube-score';

interface Exception {
  readonly check: string;
  readonly object: RegExp;
  /** Of the variants; absent: of all. */
  readonly variant?: string;
  readonly because: string;
}

/** Findings that are right as they are. */
const exceptions: readonly Exception[] = [
  {
    check: 'container-image-pull-policy',
    object: /^(Deployment|Job|Pod)\//,
    because: 'tags of releases and digests never change, and a registry that is down must not keep a pod from starting',
  },
  {
    check: 'pod-networkpolicy',
    object: /^Pod\/.*-test$/,
    because: 'the pod of helm test lives for a second, holds no token and listens to nobody',
  },
  {
    check: 'pod-networkpolicy',
    object: /^Job\/.*-crd-upgrade$/,
    because:
      'the Job asks the API server once, before the policies of the new version are there, and listens to nobody',
  },
  {
    check: 'pod-networkpolicy',
    object: /^Deployment\/.*gateway-service$/,
    variant: 'no more than the gateway',
    because: 'the variant switches network policies off',
  },
  {
    check: 'pod-probes-identical',
    object: /^Deployment\/.*gateway-service$/,
    variant: 'no more than the gateway',
    because: 'the variant switches the routes of probes off, and only the open port is left',
  },
];

describe('kube-score', () => {
  it.each(Object.entries(chartVariants))('finds nothing critical in %s', (variant, values) => {
    const findings = criticalFindings(renderedText(values)).filter(
      (finding) =>
        !exceptions.some(
          ({ check, object, variant: only = variant }) =>
            check === finding.check && object.test(finding.object) && only === variant,
        ),
    );
    expect(findings).toEqual([]);
  });
});
