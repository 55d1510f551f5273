// xDS bytes -> compiled resource: decode once, validate, refuse what is not supported, compile. Injected
// into xds/ by server/. Everything that is wrong with a resource is found at once and goes into the NACK.

import { hash } from 'node:crypto';
import { errorText } from '../../common/coded-error.ts';
import type { FieldError, Result } from '../../common/result.ts';
import type { SharedMemory } from '../../common/shared-memory.ts';
import { decodeMessage } from '../../proto/any.ts';
import type {
  BootstrapProto,
  ClusterLoadAssignmentProto,
  ClusterProto,
  ListenerProto,
  RouteConfigurationProto,
  RuntimeProto,
  ScopedRouteConfigurationProto,
  SecretProto,
  TypedExtensionConfigProto,
  VirtualHostProto,
} from '../../proto/gen/types.ts';
import { validateMessage } from '../../proto/validate.ts';
import type { BootstrapConfig, ClusterDefaults } from '../api/config/bootstrap.ts';
import type { LoadAssignment } from '../api/config/cluster.ts';
import { type ConfigSource, isUsableName, resourceId } from '../api/config/config-source.ts';
import type { CompileContext } from '../api/factory.ts';
import {
  type Claim,
  type CompileOutcome,
  type ResourceCompiler,
  type ResourceKind,
  type ResourceReference,
  xdsTypes,
} from '../api/resource-compiler.ts';
import type { RuntimeLayers } from '../api/runtime.ts';
import { Compilation } from '../compile/compilation.ts';
import { compileExtensionConfig } from '../compile/config-discovery.ts';
import { compileRouteConfiguration, compileVirtualHostResource } from '../compile/route.ts';
import { compileScopeResource } from '../compile/scoped-routes.ts';
import { ConfigContext, type ConfigEnvironment } from './any-config.ts';
import { hostClaims, routeClaims, scopeClaim } from './claims.ts';
import { compileCluster } from './cluster.ts';
import { distinctErrors } from './distinct-errors.ts';
import { compileLoadAssignment } from './endpoint.ts';
import { type AssignmentPieces, HeldAssignments, withHosts } from './endpoint-bytes.ts';
import { deepFreeze } from './freeze.ts';
import { ClusterTargets } from './grpc-target.ts';
import { compileListener } from './listener.ts';
import { References, routeClusters } from './references.ts';
import type { FactoryRegistry } from './registry.ts';
import { compileRuntimeResource } from './runtime.ts';
import { compileSecret } from './secret.ts';
import { checkSupport } from './support-check.ts';
import { TypeDemands } from './type-demands.ts';

/** What the process offers to compile functions. */
export interface ConfigInputs {
  readonly registry: FactoryRegistry;
  /** The error is fit for the user. */
  readonly readFile: (path: string) => Result<Buffer, string>;
  readonly environment: (name: string) => string | undefined;
  readonly sharedMemory: SharedMemory;
  /** One per process; a bootstrap that is loaded gives it its layers. */
  readonly runtime: RuntimeLayers;
}

/** A compiler for what comes over xDS into the process that `bootstrap` started. */
export function createResourceCompiler(
  bootstrap: BootstrapConfig,
  inputs: ConfigInputs,
): ResourceCompiler {
  const staticSecrets = new Map(bootstrap.secrets.map((secret) => [secret.name, secret]));
  const environment: ConfigEnvironment = {
    ...inputs,
    staticSecrets,
    // The message in plain form, which was read as a bootstrap.
    clusterTargets: new ClusterTargets(bootstrap.message as BootstrapProto, {
      ...inputs,
      staticSecrets,
    }),
  };
  const adsProtocol = bootstrap.dynamicResources.ads?.protocol ?? null;
  const { clusterDefaults, references } = bootstrap;
  return new ConfigResourceCompiler(environment, clusterDefaults, adsProtocol, references);
}

/** Short content hash; two resources of one hash are the same. */
export function contentHash(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 32);
}

interface Compiled {
  readonly data: unknown;
  /** Clusters that it leads to. */
  readonly clusters?: readonly string[];
  readonly claims?: readonly Claim[];
}

/** What is known of a resource besides its content. */
interface ResourceIdentity {
  readonly name: string;
  readonly source: ConfigSource;
  /** See resourceId. */
  readonly id: string;
  readonly digest: string;
}

class ConfigResourceCompiler implements ResourceCompiler {
  readonly #assignments = new HeldAssignments();
  readonly #demands = new TypeDemands();
  readonly #environment: ConfigEnvironment;
  readonly #defaults: ClusterDefaults;
  readonly #adsProtocol: CompileContext['adsProtocol'];

  constructor(
    environment: ConfigEnvironment,
    defaults: ClusterDefaults,
    adsProtocol: CompileContext['adsProtocol'],
    staticReferences: readonly ResourceReference[],
  ) {
    this.#environment = environment;
    this.#defaults = defaults;
    this.#adsProtocol = adsProtocol;
    this.#demands.set('', staticReferences);
  }

  compile(
    kind: ResourceKind,
    bytes: Uint8Array,
    source: ConfigSource,
    wrapperName = '',
  ): CompileOutcome {
    try {
      return this.#compile(kind, bytes, source, wrapperName);
    } catch (thrown) {
      // A bug of ours, but it must not take the whole stream down.
      const message = `internal error: ${errorText(thrown)}`;
      return { ok: false, name: '', errors: [{ path: '', message }] };
    }
  }

  #compile(
    kind: ResourceKind,
    bytes: Uint8Array,
    source: ConfigSource,
    wrapperName: string,
  ): CompileOutcome {
    const { message: typeName, nameField } = xdsTypes[kind];
    const pieces = kind === 'endpoint' ? this.#takeApart(bytes, source) : null;
    const decoded = decodeMessage(typeName, pieces?.rest ?? bytes);
    if (!decoded.ok) return { ok: false, name: '', errors: decoded.errors };
    const { message, warnings } = decoded.value;
    const name = nameField === '' ? wrapperName : nameOf(nameField, message);
    const id = resourceId(name, source);
    const allWarnings = [...warnings];
    const references = new References();
    const compilation = this.#startCompilation(source, references, allWarnings);
    const digest = contentHash(bytes);
    const {
      data: own,
      clusters = [],
      claims = [],
    } = this.#compileMessage(kind, message, { name, source, id, digest }, compilation);
    // Of that kind it is one.
    const data = pieces === null ? own : withHosts(own as LoadAssignment, pieces.hosts);
    if (name === '') compilation.fail(nameField, 'must not be empty');
    if (!isUsableName(name)) compilation.fail(nameField, 'must not contain NUL');
    const errors = distinctErrors([
      ...validateMessage(typeName, message),
      ...checkSupport(typeName, message),
      ...compilation.errors,
    ]);
    if (errors.length > 0) return { ok: false, name, errors };
    if (kind === 'listener') this.#demands.set(name, references.list);
    if (kind === 'endpoint') this.#assignments.hold(data as LoadAssignment);
    return {
      ok: true,
      resource: {
        kind,
        name,
        data: deepFreeze(data),
        references: references.list,
        clusters,
        claims,
        hash: digest,
        warnings: allWarnings,
      },
    };
  }

  /** See endpoint-bytes.ts. */
  #takeApart(bytes: Uint8Array, source: ConfigSource): AssignmentPieces | null {
    const references = new References();
    const warnings: FieldError[] = [];
    const compilation = this.#startCompilation(source, references, warnings);
    const pieces = this.#assignments.take(bytes, (name) => resourceId(name, source), compilation);
    return references.list.length > 0 || warnings.length > 0 ? null : pieces;
  }

  #startCompilation(
    source: ConfigSource,
    references: References,
    warnings: FieldError[],
  ): Compilation {
    return new Compilation(
      new ConfigContext({
        environment: this.#environment,
        source: 'dynamic',
        adsProtocol: this.#adsProtocol,
        parentSource: source,
        references,
        knownClusters: null,
        referencedClusters: new Set(),
        warnings,
      }),
    );
  }

  // `message` was decoded as the type of that kind. `id`: see resourceId.
  #compileMessage(
    kind: ResourceKind,
    message: object,
    { name, source, id, digest }: ResourceIdentity,
    compilation: Compilation,
  ): Compiled {
    switch (kind) {
      case 'cluster': {
        const cluster = message as ClusterProto;
        return { data: compileCluster(cluster, '', this.#defaults, compilation) };
      }
      case 'endpoint': {
        const assignment = message as ClusterLoadAssignmentProto;
        const data = compileLoadAssignment(assignment, '', false, compilation);
        return { data: { ...data, clusterName: id } };
      }
      case 'secret': {
        const data = compileSecret(message as SecretProto, '', compilation);
        return { data: { ...data, name: id } };
      }
      case 'listener':
        return { data: compileListener(message as ListenerProto, '', digest, compilation) };
      case 'route': {
        const routes = message as RouteConfigurationProto;
        const data = compileRouteConfiguration(routes, '', false, compilation);
        return {
          data: { ...data, name: id },
          clusters: routeClusters(data),
          claims: routeClaims(data),
        };
      }
      case 'runtime': {
        const values = compileRuntimeResource(message as RuntimeProto, compilation);
        return { data: { id, values } };
      }
      case 'extension-config': {
        const config = message as TypedExtensionConfigProto;
        const demanded = this.#demands.of(id);
        return { data: compileExtensionConfig(config, id, demanded, compilation) };
      }
      case 'scoped-route': {
        const scope = message as ScopedRouteConfigurationProto;
        const data = compileScopeResource(scope, source, compilation);
        return { data, claims: [scopeClaim(data)] };
      }
      case 'virtual-host': {
        const data = compileVirtualHostResource(
          message as VirtualHostProto,
          name,
          source,
          compilation,
        );
        return { data, claims: hostClaims(data.owner, data.host) };
      }
    }
  }
}

function nameOf(field: string, message: object): string {
  // A message in plain form is a record of its fields.
  const name = (message as Readonly<Record<string, unknown>>)[field];
  return typeof name === 'string' ? name : '';
}
