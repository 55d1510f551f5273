// Limits of both codecs that no setting has (reliability row UP-08).

/** 1xx responses before the final one. */
export const MAX_INFORMATIONAL_RESPONSES = 32;
