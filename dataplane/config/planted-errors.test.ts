// Every planted error is found at its field, and the good resources have none. How a NACK says it, and what Envoy says of the
// same: test/interop/planted-errors.test.ts.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resourceErrors } from '../../test/fakes/config.ts';
import {
  fullPath,
  goodResources,
  type PlantedKind,
  plant,
  plantedErrors,
} from '../../test/fakes/planted-errors.ts';

describe('planted errors', () => {
  for (const [kind, make] of Object.entries(goodResources)) {
    it(`the good ${kind} has none`, () => {
      assert.deepEqual(resourceErrors(kind as PlantedKind, JSON.stringify(make())), []); // its keys are kinds
    });
  }

  for (const error of plantedErrors) {
    const { kind, path, value, says } = error;
    it(`${kind} ${path}: ${JSON.stringify(value) ?? 'missing'}`.slice(0, 120), () => {
      const errors = resourceErrors(kind, JSON.stringify(plant(error)));
      const place = fullPath(says ?? path);
      assert.ok(errors.length > 0, 'it was taken');
      assert.ok(
        errors.some((text) => text.startsWith(place)),
        `${errors.join('; ')} does not stand at ${place}`,
      );
    });
  }
});
