/** Place: `--to` and `--from` as the place they name. */
import { backupDirectory } from "../../adapters/backup-directory/backup-directory.ts";
import { backupS3 } from "../../adapters/backup-s3/backup-s3.ts";
import type { BackupPlace } from "../../host/ports/backup-place.ts";
import { usage } from "../cli-error.ts";

export const PLACE = "a directory, or s3://bucket/prefix";

/** Credentials and endpoint of a store are taken from the variables that other tools take them from too. */
export function placeOf(text: string, env: NodeJS.ProcessEnv): BackupPlace {
  if (!text.startsWith("s3://")) return backupDirectory(text);
  const [, bucket, prefix = ""] = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(text) ?? [];
  const accessKeyId = env["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = env["AWS_SECRET_ACCESS_KEY"];
  const sessionToken = env["AWS_SESSION_TOKEN"];
  if (bucket === undefined) throw usage(`${text} names no bucket: write s3://bucket/prefix`);
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw usage(`${text} needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment`);
  const folder = prefix.replace(/\/+$/, "");
  return backupS3({
    bucket,
    prefix: folder === "" ? "" : `${folder}/`,
    endpoint: env["AWS_ENDPOINT_URL_S3"] ?? env["AWS_ENDPOINT_URL"] ?? null,
    region: env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? "us-east-1",
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
  });
}
