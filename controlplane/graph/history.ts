// What did not change from one graph to the next keeps its object, so that what was made of it need not be made again: with
// thousands of services most rounds are about one. Kept by reconcile/, asked by translate/.

import { isDeepStrictEqual } from 'node:util';
import type { MeshGraph, ProxyNode, ServiceNode } from './graph.ts';

export class GraphHistory {
  #graph: MeshGraph | null = null;
  #services: ReadonlyMap<string, ServiceNode> = new Map();
  /** By service: stands for all of it but its endpoints. */
  readonly #shapes = new WeakMap<ServiceNode, object>();

  /** `next`, with every part of the graph before that equals it. */
  succeed(next: MeshGraph): MeshGraph {
    const before = this.#graph;
    const services = new Map<string, ServiceNode>();
    for (const service of next.services) services.set(service.id, this.#serviceFrom(service));
    const proxies = new Map<string, ProxyNode>();
    for (const [nodeId, proxy] of next.proxies) {
      const service = services.get(proxy.service.id) ?? proxy.service;
      const old = before?.proxies.get(nodeId);
      const own = { ...proxy, service };
      proxies.set(nodeId, old !== undefined && isSameProxy(old, own) ? old : own);
    }
    const isSame = isDeepStrictEqual(before?.settings, next.settings);
    this.#graph = {
      settings: before !== null && isSame ? before.settings : next.settings,
      services: [...services.values()],
      proxies,
    };
    this.#services = services;
    return this.#graph;
  }

  /** The same object as long as nothing but endpoints changes. */
  shapeOf(service: ServiceNode): object {
    let shape = this.#shapes.get(service);
    if (shape === undefined) {
      shape = {};
      this.#shapes.set(service, shape);
    }
    return shape;
  }

  #serviceFrom(next: ServiceNode): ServiceNode {
    const before = this.#services.get(next.id);
    if (before === undefined) return next;
    const hasSameShape = isDeepStrictEqual(
      { ...before, endpoints: [] },
      { ...next, endpoints: [] },
    );
    if (!hasSameShape) return next;
    if (isDeepStrictEqual(before.endpoints, next.endpoints)) return before;
    this.#shapes.set(next, this.shapeOf(before));
    return next;
  }
}

function isSameProxy(a: ProxyNode, b: ProxyNode): boolean {
  return (
    a.service === b.service &&
    a.inboundPort === b.inboundPort &&
    a.outboundPort === b.outboundPort &&
    a.appPort === b.appPort &&
    isDeepStrictEqual(a.locality, b.locality)
  );
}
