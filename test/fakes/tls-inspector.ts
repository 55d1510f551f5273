// The real tls_inspector for tests of the listener, which may not import extensions itself.

import type { WorkerContext } from '../../dataplane/api/factory.ts';
import { tlsInspectorFilterFactory } from '../../dataplane/extensions/listener/tls-inspector/filter.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';

/** It asks its context for stats only. */
export const tlsInspectorForTest = tlsInspectorFilterFactory.create(
  { maxClientHelloBytes: 16384, closeOnParsingErrors: false },
  { stats: new HolderStore() } as unknown as WorkerContext,
);
