// Where instances and their callers are, from the labels of their Workloads, and how near one is to the other.

import type { Workload } from '../model/kinds/workload.ts';

/** Empty strings = not said. */
export interface LocalityNode {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** Kubernetes' well-known labels; the third is Istio's. */
const REGION = 'topology.kubernetes.io/region';
const ZONE = 'topology.kubernetes.io/zone';
const SUB_ZONE = 'topology.istio.io/subzone';

export function localityOf({ metadata }: Workload): LocalityNode {
  const labels = metadata.labels ?? {};
  return {
    region: labels[REGION] ?? '',
    zone: labels[ZONE] ?? '',
    subZone: labels[SUB_ZONE] ?? '',
  };
}

/** Equal for equal localities; '' where nothing is said. */
export function localityKey({ region, zone, subZone }: LocalityNode): string {
  if (region === '' && zone === '' && subZone === '') return '';
  return [region, zone, subZone].join('/');
}

/** 0 = the same place, 1 = the same zone, 2 = the same region, 3 = elsewhere. As Istio's locality failover. */
export function distance(from: LocalityNode, to: LocalityNode): 0 | 1 | 2 | 3 {
  if (from.region !== to.region) return 3;
  if (from.zone !== to.zone) return 2;
  return from.subZone === to.subZone ? 0 : 1;
}
