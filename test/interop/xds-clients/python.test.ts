// Our control plane drives proxyless clients of python: see scenarios.ts.

import { proxylessScenarios } from './scenarios.ts';

proxylessScenarios('python');
