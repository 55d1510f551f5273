// Errors of the REST API: an HTTP status, a stable code, and text that says what to do.

import { formatProblem, type Problem } from '../model/problem.ts';
import type { Refusal } from '../store/mesh-documents.ts';

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  /** Of documents: each with file, line and column where known. */
  readonly problems?: readonly (Problem & { readonly text: string })[];
}

export class ApiError extends Error {
  readonly statusCode: number;
  readonly body: ErrorBody;

  constructor(statusCode: number, code: string, message: string, problems?: readonly Problem[]) {
    super(message);
    this.name = 'ApiError';
    this.statusCode = statusCode;
    this.body = {
      code,
      message,
      ...(problems === undefined
        ? {}
        : { problems: problems.map((problem) => ({ ...problem, text: formatProblem(problem) })) }),
    };
  }
}

export function invalid(problems: readonly Problem[]): ApiError {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return new ApiError(422, 'invalid', `${count}; nothing was changed`, problems);
}

export function refused(refusal: Refusal): ApiError {
  switch (refusal.kind) {
    case 'invalid':
      return invalid(refusal.problems);
    case 'conflict':
      return new ApiError(409, 'conflict', refusal.message);
    case 'not-found':
      return new ApiError(404, 'not-found', refusal.message);
  }
}
