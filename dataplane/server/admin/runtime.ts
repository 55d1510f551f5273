// /runtime and /runtime_modify, as Envoy's RuntimeHandler.

import { isUnsupportedKey, unsupportedKeyText } from '../../runtime/known-keys.ts';
import { type AdminPage, json, text } from './router.ts';
import type { AdminSources } from './sources.ts';

const USAGE =
  'usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n' +
  '       or send the parameters as form values\n' +
  'use an empty value to remove a previously added override';

/** Both pages. */
export function runtimePages(sources: AdminSources): readonly AdminPage[] {
  return [
    {
      path: '/runtime',
      method: 'GET',
      help: 'print runtime values',
      params: [],
      handle: () => json(sources.runtime()),
    },
    {
      path: '/runtime_modify',
      method: 'POST',
      help: 'Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...',
      params: [],
      takesForm: true,
      handle: (query) => {
        if (query.size === 0) return text(USAGE, 400);
        const unsupported = [...query.keys()].find(isUnsupportedKey);
        // Envoy knows them; to say OK would be a lie.
        if (unsupported !== undefined) return text(`${unsupportedKeyText(unsupported)}\n`, 400);
        const error = sources.modifyRuntime(query);
        return error === null ? text('OK\n') : text(error, 503);
      },
    },
  ];
}
