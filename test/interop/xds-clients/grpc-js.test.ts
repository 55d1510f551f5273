// Our control plane drives proxyless clients of grpc-js: see scenarios.ts.

import { proxylessScenarios } from './scenarios.ts';

proxylessScenarios('grpc-js');
