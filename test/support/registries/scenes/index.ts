import type { SceneScript } from "../scene.ts";
import { LOGIN_SCENES } from "./logins.ts";
import { NETWORK_SCENES } from "./network.ts";
import { TLS_SCENES } from "./tls.ts";

export const SCENES: readonly SceneScript[] = [...TLS_SCENES, ...LOGIN_SCENES, ...NETWORK_SCENES];
