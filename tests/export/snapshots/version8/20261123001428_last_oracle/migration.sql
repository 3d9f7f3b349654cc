CREATE SCHEMA "billing";
--> statement-breakpoint
CREATE TYPE "MyMood" AS ENUM('a b', 'c');--> statement-breakpoint
CREATE TYPE "status" AS ENUM('draft', 'live');--> statement-breakpoint
CREATE TABLE "billing"."invoice" (
	"id" text PRIMARY KEY,
	"team_id" integer
);
--> statement-breakpoint
CREATE TABLE "member" (
	"id" integer,
	"team_id" integer,
	"status" "status" DEFAULT 'draft'::"status" NOT NULL,
	"mood" "MyMood",
	"statuses" "status"[],
	"at" timestamp(3) with time zone DEFAULT now() NOT NULL,
	"amount" numeric(10,2),
	"email" text,
	CONSTRAINT "member_pkey" PRIMARY KEY("id","team_id"),
	CONSTRAINT "member_email" UNIQUE("email","team_id")
);
--> statement-breakpoint
CREATE TABLE "team" (
	"id" serial PRIMARY KEY,
	"name" varchar(100) NOT NULL UNIQUE
);
--> statement-breakpoint
CREATE INDEX "member_at" ON "member" ("at");--> statement-breakpoint
CREATE UNIQUE INDEX "member_live" ON "member" ("email") WHERE status = 'live';--> statement-breakpoint
ALTER TABLE "billing"."invoice" ADD CONSTRAINT "invoice_team_id_team_id_fkey" FOREIGN KEY ("team_id") REFERENCES "team"("id");--> statement-breakpoint
ALTER TABLE "member" ADD CONSTRAINT "member_team_id_team_id_fkey" FOREIGN KEY ("team_id") REFERENCES "team"("id");