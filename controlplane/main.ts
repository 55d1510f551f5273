// The control plane put together: files and REST -> store -> reconcile -> snapshots -> ADS, with the CA and
// the join service beside it. Called by cli/controlplane and by tests; imports everything, imported by no room.

import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import type { FastifyInstance } from 'fastify';
import { systemClock, systemRandom } from '../common/clock.ts';
import { CodedError, errorText } from '../common/coded-error.ts';
import { DisposableStack } from '../common/lifecycle.ts';
import { createLogger, type Logger, type LogLevel } from '../common/logger.ts';
import type { Result } from '../common/result.ts';
import { TimerWheel } from '../common/timer.ts';
import { CONTROL_PLANE_ID_PATH, joinService } from '../proto/join.ts';
import type { Admission as AdsAdmission, Authenticator, Peer } from './ads/authn.ts';
import { metricsText } from './ads/metrics.ts';
import { restDiscovery } from './ads/rest.ts';
import { type AdsLimits, AdsServer } from './ads/server.ts';
import type { IssuedToken } from './api/dependencies.ts';
import { isLoopbackAddress, operatorDenial } from './api/operator.ts';
import { createApiServer } from './api/server.ts';
import { CertificateAuthority, storedFingerprint } from './ca/authority.ts';
import { NodeCertificates } from './ca/node-certificates.ts';
import { ServerIdentity } from './ca/server-identity.ts';
import { MemoryState, type State, StateDir } from './ca/state-dir.ts';
import type { XdsKind } from './cache/kinds.ts';
import { SnapshotCache } from './cache/snapshot-cache.ts';
import { defaultVanishLimits, formatVanishing, type Vanishing } from './cache/vanish-guard.ts';
import { type FileSnapshot, FileSource, readMeshFiles } from './discovery/files.ts';
import { explainPolicy } from './explain/policy.ts';
import { Admission } from './join/admission.ts';
import { type AdmittedNode, NodeAuthenticator, type PeerCredentials } from './join/authn.ts';
import type { Denial } from './join/denial.ts';
import { GrpcClients } from './join/grpc-clients.ts';
import { joinHandlers } from './join/join-service.ts';
import { Registry } from './join/registry.ts';
import { StreamIdentities } from './join/stream-identities.ts';
import { TokenIssuer } from './join/tokens.ts';
import { loadsByService } from './load/load-report.ts';
import { LoadService } from './load/load-service.ts';
import { LoadStats } from './load/load-stats.ts';
import { LoadStore } from './load/load-store.ts';
import type { ReporterGate } from './load/load-stream.ts';
import { meshSettings } from './model/defaults.ts';
import { objectKey, objectsOfKind } from './model/object.ts';
import { formatProblem } from './model/problem.ts';
import { openPlaintextPort, openRestPort, openTlsPort } from './ports.ts';
import { ReconcileLoop } from './reconcile/loop.ts';
import { SnapshotPublisher } from './reconcile/publisher.ts';
import { Reconciler } from './reconcile/reconciler.ts';
import { clientStatusJson } from './status/client-status.ts';
import { ClientStatusService } from './status/client-status-service.ts';
import { statusMetricsText } from './status/metrics.ts';
import { NodeInspector } from './status/node-inspector.ts';
import { proxyConfig, proxyConfigDiff } from './status/proxy-config.ts';
import { proxyStatuses } from './status/proxy-status.ts';
import { Traces } from './status/traces.ts';
import { MemoryStore } from './store/memory-store.ts';
import { type AppliedDocument, MeshDocuments } from './store/mesh-documents.ts';
import type { Store } from './store/store.ts';
import { IDENTITY_SECRET, ROOTS_SECRET } from './translate/names.ts';
import { resourcesToJson } from './translate/to-json.ts';

export interface ControlPlaneOptions {
  /** Directory or file of mesh documents. */
  readonly config: string;
  /** null = everything in memory. */
  readonly stateDir: string | null;
  /** TLS port of xDS and join; port 0 = any. */
  readonly xds: { readonly address: string; readonly port: number };
  /** On 127.0.0.1; null = off. */
  readonly plaintextXdsPort: number | null;
  /** Discovery by REST polling, on 127.0.0.1; null = off. Default null. */
  readonly restXdsPort?: number | null;
  readonly xdsLimits?: AdsLimits;
  /** How changes of documents are gathered before they are pushed. */
  readonly debounce?: { readonly holdoffMs?: number; readonly maxDelayMs?: number };
  /** A push that would take most clusters or listeners from a node waits for a word of somebody. Default true. */
  readonly guardsVanishing?: boolean;
  readonly rest: { readonly address: string; readonly port: number };
  /** What REST calls must carry; needed off loopback. */
  readonly apiToken: string | null;
  /** How long an endpoint outlives its sidecar's last sign of life. */
  readonly graceMs: number;
  /** How often sidecars are asked to report their load. Default 10 000. */
  readonly loadReportIntervalMs?: number;
  readonly logLevel: LogLevel;
}

export interface ControlPlane {
  readonly xdsPort: number;
  readonly plaintextXdsPort: number | null;
  readonly restXdsPort: number | null;
  readonly restPort: number;
  close(): Promise<void>;
}

const LOAD_REPORT_INTERVAL_MS = 10_000;
const APPLIED_FILE = 'applied.json';
const NOTHING_APPLIED = '[]\n';

/** Sidecars come back within their back-off of up to 30 s; twice that after a restart. */
const RESTORED_GRACE_FACTOR = 2;

/**
 * Starts everything and resolves when all ports listen. Rejects with code `bad-config` (every problem of the
 * documents, one per line), `bad-options` or `cannot-listen`.
 */
export async function runControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { rest, apiToken } = options;
  if (apiToken === null && !isLoopbackAddress(rest.address)) {
    throw new CodedError(
      'bad-options',
      `the REST API on ${rest.address} can be reached from elsewhere, so it needs --api-token-file`,
    );
  }
  const logger = createLogger(options.logLevel, 'controlplane');
  const cleanups = new DisposableStack();
  try {
    return await start(options, logger, cleanups);
  } catch (thrown) {
    cleanups[Symbol.dispose]();
    throw thrown;
  }
}

async function start(
  options: ControlPlaneOptions,
  logger: Logger,
  cleanups: DisposableStack,
): Promise<ControlPlane> {
  const clock = systemClock;
  const timers = new TimerWheel();
  const state = options.stateDir === null ? new MemoryState() : new StateDir(options.stateDir);
  const store = new MemoryStore();
  const documents = new MeshDocuments(store);
  const files = readMeshFiles(options.config);
  const taken = documents.replaceFiles(files.objects, files.problems);
  if (!taken.ok) throw new CodedError('bad-config', taken.errors.map(formatProblem).join('\n'));

  restoreApplied(documents, state, logger);

  const authority = await CertificateAuthority.open(state, clock);
  const tokens = TokenIssuer.open(state);
  const cache = new SnapshotCache({
    guard: options.guardsVanishing === false ? null : defaultVanishLimits,
    onGuard: (key, found) => reportGuard(key, found, logger),
  });
  const loop = new ReconcileLoop({
    clock,
    timers,
    run: () => {
      reconciler.run();
      // Before anything of the round is sent: that is another turn of the event loop.
      for (const key of identities.strangers()) {
        tlsAds.disconnect(key, 'this node is an instance of another service now');
      }
    },
    ...options.debounce,
  });
  const registry = new Registry({
    clock,
    timers,
    logger: logger.child({ component: 'join' }),
    state,
    graceMs: options.graceMs,
    restoredGraceMs: RESTORED_GRACE_FACTOR * options.graceMs,
    onChange: () => loop.trigger('endpoints'),
  });
  const certificates = new NodeCertificates({
    authority,
    clock,
    random: systemRandom,
    timers,
    logger: logger.child({ component: 'ca' }),
    onIssued: () => loop.trigger(),
  });
  const grpcClients = new GrpcClients({
    onNew: (key, profile) => reconciler.addGrpcProfile(key, profile),
    onGone: (key) => reconciler.removeGrpcProfile(key),
  });
  const reconciler = new Reconciler({
    store,
    joined: () => registry.workloads(),
    grpcProfiles: () => grpcClients.profiles(),
    certificates,
    rootsPem: authority.rootsPem,
    sink: new SnapshotPublisher(cache),
    logger: logger.child({ component: 'reconcile' }),
  });
  for (const disposable of [loop, registry, certificates]) {
    cleanups.add(() => disposable[Symbol.dispose]());
  }
  cleanups.add(
    store.watch(() => {
      keepApplied(documents, state, logger);
      loop.trigger();
    }),
  );
  const source = new FileSource(
    {
      path: options.config,
      timers,
      logger: logger.child({ component: 'files' }),
      onChange: (snapshot) => takeFiles(documents, snapshot, logger),
    },
    files,
  );
  cleanups.add(() => source[Symbol.dispose]());

  const trustDomain = () => trustDomainOf(store);
  const admission = new Admission(store, registry);
  const authenticator = new NodeAuthenticator({
    ...{ tokens, admission, grpcClients, clock, trustDomain },
    rootsPem: authority.rootsPem,
  });
  const identities = new StreamIdentities(
    (nodeId) => admission.workload(nodeId)?.spec.service ?? null,
  );
  const ads = (authenticate: Authenticator, pinned: StreamIdentities | null) => {
    const server = new AdsServer({
      ...options.xdsLimits,
      cache,
      authenticate,
      mayAskFor: mayAskForSecret,
      clock,
      timers,
      logger: logger.child({ component: 'ads' }),
      identifier: 'remora',
      onStreamOpened: (key) => {
        const nodeId = grpcClients.opened(key);
        registry.streamOpened(nodeId);
        pinned?.opened(key, nodeId);
      },
      onStreamClosed: (key) => {
        registry.streamClosed(grpcClients.closed(key));
        pinned?.closed(key);
      },
    });
    cleanups.add(() => server.close());
    return server;
  };
  const identity = await ServerIdentity.create({
    authority,
    spiffeId: `spiffe://${trustDomain()}${CONTROL_PLANE_ID_PATH}`,
    ...serverNames(options.xds.address),
    clock,
    timers,
    logger,
  });
  cleanups.add(() => identity[Symbol.dispose]());
  const tlsAds = ads(
    (peer, node) => toAdmission(authenticator.authenticate(shownBy(peer), node)),
    identities,
  );
  const plaintextAds = ads(
    (_peer, node) => toAdmission(authenticator.authenticatePlaintext(node)),
    null,
  );
  const handlers = joinHandlers({ tokens, admission, registry, clock, trustDomain });

  const inspector = new NodeInspector(cache, [plaintextAds.tracker, tlsAds.tracker]);
  const loadIntervalMs = options.loadReportIntervalMs ?? LOAD_REPORT_INTERVAL_MS;
  const loadStore = new LoadStore(clock, loadIntervalMs);
  const loadStats = new LoadStats();
  const loads = (identify: ReporterGate) => {
    const service = new LoadService({
      store: loadStore,
      stats: loadStats,
      identify,
      intervalMs: loadIntervalMs,
      clustersOf: (nodeId) => {
        const key = inspector.node(nodeId)?.snapshotKey ?? nodeId;
        return [...(cache.get(key)?.set('cluster').resources.keys() ?? [])];
      },
      clock,
      timers,
      logger: logger.child({ component: 'load' }),
    });
    cleanups.add(() => service.close());
    return service;
  };
  const tlsLoads = loads((peer, node) => {
    const identified = authenticator.identify(shownBy(peer), node.id);
    return identified.ok ? { ok: true, nodeId: node.id } : refusedReporter(identified.errors);
  });
  const plaintextLoads = loads((_peer, node) => {
    const identified = authenticator.identifyPlaintext(node);
    return identified.ok ? { ok: true, nodeId: node.id } : refusedReporter(identified.errors);
  });
  const clientStatuses = new ClientStatusService({
    inspector,
    denialOf: ({ address, metadata }) =>
      operatorDenial(
        { address, authorization: metadata.get('authorization')?.[0] },
        options.apiToken,
      ),
    logger: logger.child({ component: 'csds' }),
  });
  cleanups.add(() => clientStatuses.close());
  const traces = new Traces({ taps: [plaintextAds.taps, tlsAds.taps], inspector, clock });

  // The first snapshots are there before the first node can ask.
  reconciler.run();
  const xds = await openTlsPort(options.xds.address, options.xds.port, identity, [
    (server) => tlsAds.addTo(server),
    (server) => tlsLoads.addTo(server),
    (server) => clientStatuses.addTo(server),
    (server) => server.addService(joinService(), handlers),
  ]);
  cleanups.add(() => xds.close());
  const plaintext =
    options.plaintextXdsPort === null
      ? null
      : await openPlaintextPort(options.plaintextXdsPort, [
          (server) => plaintextAds.addTo(server),
          (server) => plaintextLoads.addTo(server),
          (server) => clientStatuses.addTo(server),
        ]);
  if (plaintext !== null) cleanups.add(() => plaintext.close());
  const restXds =
    options.restXdsPort === undefined || options.restXdsPort === null
      ? null
      : await openRestPort(
          options.restXdsPort,
          restDiscovery({
            cache,
            authenticate: (_peer, node) => toAdmission(authenticator.authenticatePoll(node)),
            mayAskFor: mayAskForSecret,
            stats: plaintextAds.stats,
            logger: logger.child({ component: 'rest discovery' }),
            identifier: 'remora',
          }),
        );
  if (restXds !== null) cleanups.add(() => restXds.close());

  const api = createApiServer({
    documents,
    joined: () => registry.workloads(),
    hasProxylessClients: () => grpcClients.profiles().length > 0,
    info: () => ({
      trustDomain: trustDomain(),
      caFingerprint: authority.fingerprint,
      state: state.place,
      xdsPort: xds.port,
      plaintextXdsPort: plaintext?.port ?? null,
      reconcileError: reconciler.lastError,
      heldBack: Object.fromEntries(
        [...cache.heldBack()].map(([node, found]) => [node, formatVanishing(found)]),
      ),
    }),
    metrics: () =>
      metricsText([plaintextAds, tlsAds], {
        heldBackSnapshots: cache.heldBack().size,
        changesTotal: loop.changesTotal,
        roundsTotal: loop.roundsTotal,
      }) +
      statusMetricsText({
        loadStats,
        loadReporters: loadStore.reporters,
        loadDroppedTotal: loadStore.droppedTotal,
        clientStatusDeniedTotal: clientStatuses.deniedTotal,
        traces: traces.count,
      }),
    releaseHeldBack: (nodeId) => cache.release(nodeId),
    proxyStatus: () => proxyStatuses(reconciler.graph, inspector, clock),
    proxyConfig: (nodeId, kind) => proxyConfig(inspector, nodeId, kind),
    proxyConfigDiff: (nodeId) => proxyConfigDiff(inspector, nodeId),
    clientStatus: (request) => clientStatusJson(inspector, request),
    loads: () => loadsByService(reconciler.graph, loadStore),
    trace: (nodeId, onLine) => traces.start(nodeId, onLine),
    reconciledRevision: () => reconciler.revision,
    configDump: (nodeId) => {
      const resources = reconciler.resourcesOf(nodeId);
      return resources === null ? null : resourcesToJson(resources);
    },
    explainPolicy: (namespace, service) => {
      const { graph } = reconciler;
      if (graph === null) return null;
      return explainPolicy(graph, reconciler.documents, namespace, service);
    },
    issueToken: (service, namespace, ttlSeconds) =>
      store.get(objectKey('Service', namespace, service)) === null
        ? null
        : issue({ service, namespace, ttlSeconds }, tokens, authority.fingerprint),
    token: options.apiToken,
    logger: logger.child({ component: 'api' }),
  });
  const restPort = await listen(api, options.rest);
  logger.info(
    {
      xdsPort: xds.port,
      plaintextXdsPort: plaintext?.port ?? null,
      restPort,
      trustDomain: trustDomain(),
      caFingerprint: authority.fingerprint,
      state: state.place,
    },
    'control plane is up',
  );
  return {
    xdsPort: xds.port,
    plaintextXdsPort: plaintext?.port ?? null,
    restXdsPort: restXds?.port ?? null,
    restPort,
    close: async () => {
      await api.close();
      cleanups[Symbol.dispose]();
    },
  };
}

/** An alarm, because something is likely wrong with where the documents come from. */
function reportGuard(key: string, found: Vanishing | null, logger: Logger): void {
  if (found === null) {
    logger.info({ node: key }, 'what was held back is let through');
    return;
  }
  logger.error(
    { node: key, ...found },
    `${formatVanishing(found)}: held back; if it is meant, POST /v1/xds/release`,
  );
}

/** The mesh has two secrets per node, each under one name; who asks for another looks for somebody else's. */
function mayAskForSecret(_key: string, kind: XdsKind, name: string): string | null {
  if (kind !== 'secret' || name === IDENTITY_SECRET || name === ROOTS_SECRET) return null;
  return `no secret of yours has that name; yours are ${IDENTITY_SECRET} and ${ROOTS_SECRET}`;
}

/** What REST applied must not be gone, and with it a canary's weights, when the control plane restarts. */
function keepApplied(documents: MeshDocuments, state: State, logger: Logger): void {
  try {
    const text = `${JSON.stringify(documents.applied(), null, 1)}\n`;
    if (text !== (state.read(APPLIED_FILE) ?? NOTHING_APPLIED)) state.write(APPLIED_FILE, text);
  } catch (thrown) {
    logger.error({ error: errorText(thrown), place: state.place }, 'cannot keep what was applied');
  }
}

function restoreApplied(documents: MeshDocuments, state: State, logger: Logger): void {
  const text = state.read(APPLIED_FILE);
  if (text === null) return;
  let problem: string | null = null;
  try {
    // Our own file; apply checks the objects against the mesh as it is now.
    const restored = documents.restore(JSON.parse(text) as AppliedDocument[]);
    if (restored.ok) {
      for (const key of restored.value)
        logger.warn({ object: key }, 'the file changed meanwhile; it wins');
    } else {
      const { errors } = restored;
      problem =
        errors.kind === 'invalid' ? errors.problems.map(formatProblem).join('; ') : errors.message;
    }
  } catch (thrown) {
    problem = errorText(thrown);
  }
  if (problem === null) return;
  throw new CodedError(
    'bad-config',
    `what was applied over REST before the restart no longer fits (${problem}); correct the files, or give it up by removing ${state.place}/${APPLIED_FILE}`,
  );
}

function takeFiles(documents: MeshDocuments, snapshot: FileSnapshot, logger: Logger): void {
  const taken = documents.replaceFiles(snapshot.objects, snapshot.problems);
  if (taken.ok) {
    logger.info({ objects: snapshot.objects.length }, 'took over changed files');
    return;
  }
  for (const problem of taken.errors) logger.error({}, formatProblem(problem));
  logger.error(
    { problems: taken.errors.length },
    'changed files refused; the last good state stays',
  );
}

function trustDomainOf(store: Store): string {
  const configs = objectsOfKind(
    store.list('MeshConfig').map(({ object }) => object),
    'MeshConfig',
  );
  return meshSettings(configs[0]).trustDomain;
}

/** Names for clients that check names; ours check the SPIFFE id. */
function serverNames(address: string): { dnsNames: string[]; ipAddresses: string[] } {
  const isAny = address === '0.0.0.0' || address === '::';
  return {
    dnsNames: ['localhost', 'controlplane', hostname()],
    ipAddresses: [...new Set(['127.0.0.1', '::1', ...(isAny ? [] : [address])])],
  };
}

function toAdmission(outcome: Result<AdmittedNode, Denial>): AdsAdmission {
  return outcome.ok
    ? { ok: true, ...outcome.value }
    : { ok: false, code: outcome.errors.code, reason: outcome.errors.details };
}

function refusedReporter({ code, details }: Denial) {
  return { ok: false, code, reason: details } as const;
}

function shownBy({ metadata, certificate }: Peer): PeerCredentials {
  return { authorization: metadata.get('authorization')?.[0], certificate };
}

async function listen(api: FastifyInstance, at: ControlPlaneOptions['rest']): Promise<number> {
  try {
    await api.listen({ host: at.address, port: at.port });
  } catch (thrown) {
    await api.close();
    throw new CodedError(
      'cannot-listen',
      `cannot listen on ${at.address}:${at.port}: ${errorText(thrown)}`,
      { cause: thrown },
    );
  }
  const [address] = api.addresses();
  return typeof address === 'object' ? address.port : at.port;
}

interface TokenRequest {
  readonly service: string;
  readonly namespace: string;
  readonly ttlSeconds: number;
}

function issue(request: TokenRequest, tokens: TokenIssuer, fingerprint: string): IssuedToken {
  const { service, namespace, ttlSeconds } = request;
  const issuedAt = Math.floor(systemClock.wallMs() / 1000);
  const expiresAt = issuedAt + ttlSeconds;
  const token = tokens.issue({ service, namespace, ca: fingerprint, issuedAt, expiresAt });
  return { token, expiresAt: new Date(expiresAt * 1000).toISOString() };
}

/**
 * A token without a running control plane, with the keys in its state directory. Does not know which
 * Services exist. Rejects when the directory has no keys yet.
 */
export async function issueTokenOffline(
  request: TokenRequest & { readonly stateDir: string },
): Promise<string> {
  const state = existsSync(request.stateDir) ? new StateDir(request.stateDir) : new MemoryState();
  const fingerprint = storedFingerprint(state);
  if (fingerprint === null) {
    throw new CodedError(
      'no-state',
      `${request.stateDir} has no CA yet; start the control plane with --state-dir ${request.stateDir} once`,
    );
  }
  return issue(request, TokenIssuer.open(state), fingerprint).token;
}
