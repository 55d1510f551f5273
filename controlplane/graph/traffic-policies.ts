// Which TrafficPolicies say something of a Service or of a route's rule, the more general one first.

import { routePolicySettings, trafficPolicySettings } from '../model/defaults.ts';
import { protocolOf, type Service } from '../model/kinds/service.ts';
import type { TrafficPolicy, TrafficSettings } from '../model/kinds/traffic-policy.ts';
import { namespaceOf } from '../model/object.ts';
import { targetKey } from '../model/references.ts';
import type { RouteNode, RuleNode, ServiceNode } from './graph.ts';

type TargetRef = TrafficPolicy['spec']['targetRef'];

/** See the file head. Of one mesh. */
export class TrafficPolicies {
  readonly #meshDefaults: readonly TrafficSettings[];
  readonly #byTarget: ReadonlyMap<string, TrafficPolicy>;

  constructor(meshDefaults: TrafficSettings | undefined, policies: readonly TrafficPolicy[]) {
    this.#meshDefaults = meshDefaults === undefined ? [] : [meshDefaults];
    this.#byTarget = new Map(
      policies.map((policy) => [targetKey(namespaceOf(policy), policy.spec.targetRef), policy]),
    );
  }

  ofService(namespace: string, name: string): TrafficPolicy | null {
    return this.#byTarget.get(targetKey(namespace, { kind: 'Service', name })) ?? null;
  }

  /** That of the route, then that of the rule alone. */
  ofRule({ kind, namespace, route, name }: RuleNode): TrafficPolicy[] {
    const targets: TargetRef[] = [{ kind, name: route }];
    if (name !== null) targets.push({ kind, name: route, sectionName: name });
    return targets.flatMap((target) => this.#byTarget.get(targetKey(namespace, target)) ?? []);
  }

  serviceSettings(service: Service): ServiceNode['policy'] {
    return trafficPolicySettings(this.#serviceLayers(service), protocolOf(service));
  }

  routeSettings(service: Service, rule: RuleNode): RouteNode['policy'] {
    const ofRule = this.ofRule(rule).map(({ spec }) => spec);
    return routePolicySettings(this.#serviceLayers(service), ofRule, protocolOf(service));
  }

  #serviceLayers(service: Service): TrafficSettings[] {
    const policy = this.ofService(namespaceOf(service), service.metadata.name);
    return [...this.#meshDefaults, ...(policy === null ? [] : [policy.spec])];
  }
}
