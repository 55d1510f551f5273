// A sidecar's membership: finds the mesh's root, registers, keeps the lease, and leaves when it drains.
// The server composition calls join() before it opens the ADS stream with what it yields. Must not touch
// traffic: when the control plane is away, the sidecar goes on with what it has.
//
//   join(): fetch root -> Register --ok--> joined, keepalives every lease/3
//             ^  away: back-off, again       | NOT_FOUND: register again
//             |  refused for good: throws    `--> leave(): Deregister
//             `- away, but it joined before (membership-file.ts): what it was, and keepalives until it is again

import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials as grpcCredentials,
  Metadata,
  status,
} from '@grpc/grpc-js';
import { JitteredBackoff } from '../../common/backoff.ts';
import type { Clock, Random } from '../../common/clock.ts';
import { CodedError, errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import { channelOptions, createJoinRpc, type JoinRpc } from './join-rpc.ts';
import type { Membership, MembershipStore } from './membership-file.ts';
import { grpcCode, isFinal } from './outcome.ts';
import { type JoinToken, readJoinToken } from './token.ts';
import { checkControlPlaneIdentity, fetchTrustAnchor, hasFingerprint } from './trust-anchor.ts';

export const DEFAULT_INBOUND_PORT = 15006;
export const DEFAULT_OUTBOUND_PORT = 15001;

const BACKOFF_BASE_MS = 200;
const BACKOFF_MAX_MS = 5000;
const LEAVE_DEADLINE_MS = 1000;
/** So long a control plane may be silent before a sidecar that joined once goes on as what it was. */
const RESUME_AFTER_MS = 500;
const INSTANCE_ID_CHARACTERS = 10;

export interface JoinOptions {
  /** `host:port` of the control plane's xDS port; `[::1]:18000` for IPv6. */
  readonly controlPlane: string;
  readonly service: string;
  readonly namespace: string;
  /** '' when the service has no versions. */
  readonly version: string;
  readonly appPort: number;
  readonly inboundPort: number;
  readonly outboundPort: number;
  /** Of this instance, such as `topology.kubernetes.io/zone`. */
  readonly labels: Readonly<Record<string, string>>;
  /** IP at which others reach this sidecar; null = as the control plane sees it. */
  readonly advertiseAddress: string | null;
  /** Content of the token file; asked again before each join, so that the file can be renewed. */
  readonly readToken: () => string;
  /** Null = a restarted sidecar knows nothing of before. */
  readonly memberships: MembershipStore | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
}

/** What the xDS client needs to open its stream as this instance. */
export interface JoinedMesh {
  /** node.id. */
  readonly nodeId: string;
  readonly trustDomain: string;
  /** gRPC target of the ADS service. */
  readonly target: string;
  /** TLS that verifies the control plane against the token's fingerprint. */
  readonly credentials: ChannelCredentials;
  /** Options that the channel needs besides. */
  readonly channelOptions: ChannelOptions;
  /** Metadata of every call: the bearer token. */
  readonly callMetadata: () => Metadata;
  /** Of the token: what tells this mesh from others. */
  readonly caFingerprint: string;
  /** The control plane did not answer; all this is from before the restart. */
  readonly isResumed: boolean;
}

export class JoinClient {
  readonly #options: JoinOptions;
  readonly #backoff: JitteredBackoff;
  readonly #keepalive: Timer;
  readonly #instanceId: string;
  /** What the membership is kept under. */
  readonly #storedAs: string;
  #token: JoinToken | null = null;
  #rpc: JoinRpc | null = null;
  #nodeId: string | null = null;
  #keepaliveMs = 0;
  #hasLeft = false;

  constructor(options: JoinOptions) {
    this.#options = options;
    this.#backoff = new JitteredBackoff(BACKOFF_BASE_MS, BACKOFF_MAX_MS, options.random);
    this.#keepalive = options.timers.createTimer(() => void this.#renew(), null);
    this.#instanceId = instanceId(options);
    const { namespace, service } = options;
    this.#storedAs = shortHash(`${namespace}/${service}|${this.#instanceId}`);
  }

  /**
   * Registers, waiting for the control plane as long as it takes, unless it joined that mesh before. Rejects when
   * it is refused for good (token, CA, wrong arguments), with a text that says what to do.
   */
  async join(): Promise<JoinedMesh> {
    const { logger, controlPlane, memberships } = this.#options;
    const stored = (await memberships?.load(this.#storedAs)) ?? null;
    for (;;) {
      try {
        if (stored === null) return await this.#tryJoin();
        return (await this.#tryJoinSoon()) ?? (await this.#resume(stored));
      } catch (thrown) {
        if (this.#hasLeft || isFinal(thrown)) {
          throw new CodedError('join-refused', `cannot join the mesh: ${refusalText(thrown)}`, {
            cause: thrown,
          });
        }
        logger.warn({ controlPlane, error: refusalText(thrown) }, 'cannot join yet; trying again');
        await this.#sleep(this.#backoff.nextMs());
      }
    }
  }

  /** Takes this instance out of the mesh (best effort, at most a second) and stops. */
  async leave(): Promise<void> {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#keepalive.stop();
    const rpc = this.#rpc;
    try {
      if (rpc !== null && this.#nodeId !== null) {
        await rpc.deregister({ node_id: this.#nodeId }, LEAVE_DEADLINE_MS);
      }
    } catch (thrown) {
      this.#options.logger.warn(
        { error: errorText(thrown) },
        'could not deregister; the lease will run out',
      );
    } finally {
      rpc?.close();
      this.#rpc = null;
    }
  }

  async #tryJoin(): Promise<JoinedMesh> {
    const { controlPlane, logger, memberships } = this.#options;
    const token = this.#readToken();
    const { host, port } = splitTarget(controlPlane);
    const root = await fetchTrustAnchor(host, port, token.caFingerprint);
    const access = this.#openRpc(root, token);
    const registered = await this.#register(access.rpc);
    const { node_id: nodeId, trust_domain: trustDomain } = registered;
    logger.info({ nodeId, trustDomain, controlPlane }, 'joined the mesh');
    const keepaliveMs = registered.lease_keepalive_ms;
    await memberships?.save(this.#storedAs, { nodeId, trustDomain, root, keepaliveMs });
    return { nodeId, trustDomain, ...access.mesh, isResumed: false };
  }

  /** Null = the control plane is away. What is under way then goes on. */
  async #tryJoinSoon(): Promise<JoinedMesh | null> {
    const attempt = this.#tryJoin().catch((thrown: unknown) => {
      if (this.#hasLeft || isFinal(thrown)) throw thrown;
      return null;
    });
    // Nobody may be waiting any more when it is refused: the keepalives will tell.
    attempt.catch(() => {});
    return Promise.race([attempt, this.#sleep(RESUME_AFTER_MS).then(() => null)]);
  }

  /** As what it was before; the keepalives join again when they can. */
  #resume(stored: Membership): JoinedMesh | Promise<JoinedMesh> {
    const { logger, controlPlane } = this.#options;
    const token = this.#readToken();
    // Of another mesh: only the control plane can help.
    if (!hasFingerprint(stored.root, token.caFingerprint)) return this.#tryJoin();
    const { nodeId, trustDomain, root, keepaliveMs } = stored;
    const { mesh } = this.#openRpc(root, token);
    this.#nodeId = nodeId;
    this.#keepaliveMs = keepaliveMs;
    this.#keepalive.start(this.#backoff.nextMs());
    logger.warn({ nodeId, controlPlane }, 'the control plane is away; going on as before');
    return { nodeId, trustDomain, ...mesh, isResumed: true };
  }

  #openRpc(root: string, token: JoinToken) {
    const { controlPlane, clock } = this.#options;
    const channelCredentials = grpcCredentials.createSsl(Buffer.from(root), null, null, {
      checkServerIdentity: checkControlPlaneIdentity,
    });
    const callMetadata = () => bearer(this.#token ?? token);
    this.#rpc?.close();
    const rpc = createJoinRpc(controlPlane, channelCredentials, callMetadata, clock);
    this.#rpc = rpc;
    const { caFingerprint } = token;
    const credentials = channelCredentials;
    const target = controlPlane;
    return { rpc, mesh: { target, credentials, channelOptions, callMetadata, caFingerprint } };
  }

  async #register(rpc: JoinRpc) {
    const { service, namespace, version, advertiseAddress, labels } = this.#options;
    const response = await rpc.register({
      instance_id: this.#instanceId,
      service,
      namespace,
      version,
      address: advertiseAddress ?? '',
      inbound_port: this.#options.inboundPort,
      outbound_port: this.#options.outboundPort,
      app_port: this.#options.appPort,
      labels,
    });
    this.#backoff.reset();
    this.#nodeId = response.node_id;
    this.#keepaliveMs = response.lease_keepalive_ms;
    if (!this.#hasLeft) this.#keepalive.start(this.#keepaliveMs);
    return response;
  }

  async #renew(): Promise<void> {
    const rpc = this.#rpc;
    if (this.#hasLeft || rpc === null || this.#nodeId === null) return;
    let nextMs = this.#keepaliveMs;
    try {
      this.#readToken();
      await rpc.keepalive({ node_id: this.#nodeId });
    } catch (thrown) {
      if (this.#hasLeft) return;
      nextMs = await this.#recover(rpc, thrown);
    }
    if (!this.#hasLeft) this.#keepalive.start(nextMs);
  }

  /** After a failed keepalive; the delay until the next. */
  async #recover(rpc: JoinRpc, failure: unknown): Promise<number> {
    const { logger } = this.#options;
    if (grpcCode(failure) === status.NOT_FOUND) {
      try {
        await this.#register(rpc);
        logger.info({ nodeId: this.#nodeId }, 'joined the mesh again');
        return this.#keepaliveMs;
      } catch (thrown) {
        logger.warn({ error: refusalText(thrown) }, 'cannot join again yet; trying again');
      }
    } else if (isFinal(failure)) {
      // The open ADS stream keeps the lease, but after a reconnect we would be out.
      logger.warn({ error: refusalText(failure) }, 'the join token is no longer good');
    } else {
      logger.debug({ error: refusalText(failure) }, 'keepalive failed');
    }
    return Math.min(this.#keepaliveMs, BACKOFF_BASE_MS + this.#backoff.nextMs());
  }

  #readToken(): JoinToken {
    const { readToken, service, namespace, clock } = this.#options;
    const token = readJoinToken(readToken());
    if (!token.ok) throw new CodedError('bad-token', token.errors);
    const { service: ofService, namespace: ofNamespace, expiresAtMs } = token.value;
    if (ofService !== service || ofNamespace !== namespace) {
      throw new CodedError(
        'bad-token',
        `the token is for ${ofService}.${ofNamespace}, not for ${service}.${namespace}`,
      );
    }
    if (clock.wallMs() >= expiresAtMs) {
      throw new CodedError(
        'bad-token',
        `the token expired at ${new Date(expiresAtMs).toISOString()}; make a new one with: remora ctl token --service ${service}`,
      );
    }
    this.#token = token.value;
    return token.value;
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.timers.createTimer(() => resolve(), null).start(delayMs);
    });
  }
}

/** The same for a sidecar that restarts in its place, so that it takes over its old lease. */
function instanceId({ advertiseAddress, inboundPort }: JoinOptions): string {
  const place = `${hostname()}|${advertiseAddress ?? ''}|${inboundPort}`;
  return shortHash(place);
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, INSTANCE_ID_CHARACTERS);
}

function bearer(token: JoinToken): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token.text}`);
  return metadata;
}

/** `127.0.0.1:18000`, `[::1]:18000`, `controlplane:18000`. */
export function splitTarget(target: string): { host: string; port: number } {
  const [, host, port] = /^\[?([^[\]]+?)\]?:(\d{1,5})$/.exec(target) ?? [];
  if (host === undefined) {
    throw new CodedError('bad-token', `--join must be host:port, not "${target}"`);
  }
  return { host, port: Number(port) };
}

function refusalText(thrown: unknown): string {
  const isStatus =
    thrown instanceof Error && 'details' in thrown && typeof thrown.details === 'string';
  return isStatus ? String(thrown.details) : errorText(thrown);
}
