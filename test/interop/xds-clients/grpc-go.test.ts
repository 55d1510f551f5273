// Our control plane drives proxyless clients of grpc-go: see scenarios.ts.

import { proxylessScenarios } from './scenarios.ts';

proxylessScenarios('go');
