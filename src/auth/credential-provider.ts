/** What a registry is shown. Never printed: a class or a log line that holds one redacts it. */
export type Credentials =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** An OAuth2 refresh token (`identitytoken`, or a helper's user `<token>`). */
  | { readonly kind: "identity-token"; readonly token: string }
  /** The Bearer token itself (`registrytoken`): no token request is made. */
  | { readonly kind: "registry-token"; readonly token: string };

export interface FoundCredentials {
  readonly credentials: Credentials;
  /** Who logs in, for messages; beside an identity token too, whose requests do not use it. */
  readonly username?: string;
  /** Where they came from, for messages: `~/.docker/config.json (auths "ghcr.io")`, `docker-credential-ecr-login`. No secret. */
  readonly origin: string;
}

/** Asked once per registry host and import, and only when the host has challenged us. */
export interface CredentialProvider {
  /**
   * @param registry as in the normalised reference: `docker.io`, `localhost:5000`
   * @returns `undefined`: nobody has one, the pull is anonymous
   * @throws ImportError ERR_CONFIG_INVALID, ERR_CREDENTIAL_HELPER
   */
  credentialsFor(
    registry: string,
    repository: string,
    signal: AbortSignal,
  ): Promise<FoundCredentials | undefined>;
}
