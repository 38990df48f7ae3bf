"""Jobs: they end, and can be run again."""

from collections.abc import Iterator

from tests.deploy.suite.findings import Problem, Rule
from tests.deploy.suite.objects import JOB, Stack, pods_of

_DELETED = "argocd.argoproj.io/hook-delete-policy"


def jobs_end(stack: Stack) -> Iterator[Problem]:
    for job in stack.of(JOB):
        spec = job["spec"]
        if pods_of(job).spec.get("restartPolicy") not in ("OnFailure", "Never"):
            yield job, "its pods would be started again after they succeed"
        for field in ("backoffLimit", "activeDeadlineSeconds"):
            if field not in spec:
                yield job, f"{field} is not said, so it fails for ever, or not for long enough"


def jobs_can_run_again(stack: Stack) -> Iterator[Problem]:
    for job in stack.of(JOB):
        if "ttlSecondsAfterFinished" not in job["spec"] and _DELETED not in (job["metadata"].get("annotations") or {}):
            yield job, "nothing deletes it when it has ended, and a Job cannot be changed by the next release"


RULES = (
    Rule("job-ends", jobs_end, "Say restartPolicy, backoffLimit and activeDeadlineSeconds."),
    Rule(
        "job-again", jobs_can_run_again, "Say ttlSecondsAfterFinished, or a policy by which the deploying tool deletes it."
    ),
)
