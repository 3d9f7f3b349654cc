CREATE SCHEMA "billing";
--> statement-breakpoint
DO $$ BEGIN
 CREATE TYPE "public"."MyMood" AS ENUM('a b', 'c');
EXCEPTION
 WHEN duplicate_object THEN null;
END $$;
--> statement-breakpoint
DO $$ BEGIN
 CREATE TYPE "public"."status" AS ENUM('draft', 'live');
EXCEPTION
 WHEN duplicate_object THEN null;
END $$;
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "billing"."invoice" (
	"id" text PRIMARY KEY NOT NULL,
	"team_id" integer
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "member" (
	"id" integer NOT NULL,
	"team_id" integer NOT NULL,
	"status" "status" DEFAULT 'draft' NOT NULL,
	"mood" "MyMood",
	"statuses" status[],
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"amount" numeric(10, 2),
	"email" text,
	CONSTRAINT "member_id_team_id_pk" PRIMARY KEY("id","team_id"),
	CONSTRAINT "member_email" UNIQUE("email","team_id")
);
--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "team" (
	"id" serial PRIMARY KEY NOT NULL,
	"name" varchar(100) NOT NULL,
	CONSTRAINT "team_name_unique" UNIQUE("name")
);
--> statement-breakpoint
DO $$ BEGIN
 ALTER TABLE "billing"."invoice" ADD CONSTRAINT "invoice_team_id_team_id_fk" FOREIGN KEY ("team_id") REFERENCES "public"."team"("id") ON DELETE no action ON UPDATE no action;
EXCEPTION
 WHEN duplicate_object THEN null;
END $$;
--> statement-breakpoint
DO $$ BEGIN
 ALTER TABLE "member" ADD CONSTRAINT "member_team_id_team_id_fk" FOREIGN KEY ("team_id") REFERENCES "public"."team"("id") ON DELETE no action ON UPDATE no action;
EXCEPTION
 WHEN duplicate_object THEN null;
END $$;
--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "member_at" ON "member" ("at");--> statement-breakpoint
CREATE UNIQUE INDEX IF NOT EXISTS "member_live" ON "member" ("email");