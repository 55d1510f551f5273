// The mesh of the whole-control-plane row: services that depend on a few others, instances spread over them in turn, so that
// the first thousand sidecars are of a thousand different services.

const INBOUND_PORT = 15006;
const APP_PORT = 8080;

export interface MeshSize {
  readonly services: number;
  readonly instancesEach: number;
  /** 0 = the services do not say: every sidecar is told of all. */
  readonly dependencies: number;
}

/** Multi-document YAML. */
export function meshDocuments(size: MeshSize): string {
  const documents: string[] = [];
  for (let i = 0; i < size.services; i++) documents.push(service(i, size));
  for (let i = 0; i < size.services * size.instancesEach; i++) documents.push(workload(i, size, 0));
  return documents.join('---\n');
}

function service(i: number, { services, dependencies }: MeshSize): string {
  const names = Array.from({ length: dependencies }, (_, d) => `s${(i + 1 + d * 7) % services}`);
  const dependsOn =
    dependencies === 0
      ? ''
      : `, dependsOn: [${[...new Set(names)].map((name) => `{name: ${name}}`).join(', ')}]`;
  return `apiVersion: remora.dev/v1
kind: Service
metadata: {name: s${i}}
spec: {ports: [{port: 80}]${dependsOn}}
`;
}

/** `revision` moves it to another address. */
export function workload(i: number, { services }: MeshSize, revision: number): string {
  const address = `10.${revision % 200}.${(i >> 8) & 255}.${i & 255}`;
  return `apiVersion: remora.dev/v1
kind: Workload
metadata: {name: w${i}}
spec: {service: s${i % services}, address: ${address}, inboundPort: ${INBOUND_PORT}, appPort: ${APP_PORT}}
`;
}

/** Shifts a weight between a service and the next one. */
export function route(i: number, { services }: MeshSize, revision: number): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: canary}
spec:
  parentRefs: [{kind: Service, name: s${i}}]
  rules:
    - backendRefs:
        - {name: s${i}, weight: ${100 - (revision % 100)}}
        - {name: s${(i + 1) % services}, weight: ${revision % 100}}
`;
}
