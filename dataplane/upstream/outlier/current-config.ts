// Outlier detection's numbers as runtime has them now.

import {
  type OutlierDetectionConfig,
  type OutlierNumber,
  outlierNumbers,
} from '../../api/config/outlier-detection.ts';
import { readRuntime } from '../../matcher/runtime-value.ts';

/** All of them, for main, which looks again when runtime has changed. */
export function currentOutlierConfig(config: OutlierDetectionConfig): OutlierDetectionConfig {
  const { live, ...fixed } = config;
  if (live === undefined) return config;
  const numbers = Object.keys(outlierNumbers).map((field) => [
    field,
    readRuntime(live[field as OutlierNumber]), // its keys are those
  ]);
  return { ...fixed, ...Object.fromEntries(numbers) };
}

/** One of them, for workers, when a failure has to be compared with it. */
export function currentOutlierNumber(config: OutlierDetectionConfig, field: OutlierNumber): number {
  return config.live === undefined ? config[field] : readRuntime(config.live[field]);
}
