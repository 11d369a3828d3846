"""Codes of OMS's first version with their sentences, as data, and the codes of tasks that it alone had.

Source: the chapter *Out-of-Date Error Codes* of https://support.huaweicloud.com/intl/en-us/api-oms/ErrorCode.html,
without advice to call a hotline.
"""

from __future__ import annotations

OUTDATED: dict[str, str] = {
    "S3M.0001": "Invalid parameter values.",
    "S3M.0002": "Invalid parameter format.",
    "S3M.0004": "Invalid HTTP request.",
    "S3M.0005": "The HTTP request method does not exist.",
    "S3M.0014": "The entered parameters are vulnerable to XSS attacks.",
    "S3M.0051": "Invalid value for parameter range.",
    "S3M.0052": "Invalid value for parameter state. Enter an integer from 0 to 5.",
    "S3M.0053": "Failed to query the tasks or you do not have the required permissions.",
    "S3M.0054": "Invalid task ID.",
    "S3M.0055": "The selected source files or folders are invalid.",
    "S3M.0056": "Unauthorized user ID.",
    "S3M.0057": "Invalid values for source parameters.",
    "S3M.0058": "Invalid values for destination parameters.",
    "S3M.0059": "Invalid value for the number of threads specified for migration. Enter an integer from 0 to 50.",
    "S3M.0060": "Migration to the current region is not supported.",
    "S3M.0061": "Invalid task parameter type.",
    "S3M.0062": "Failed to save the task.",
    "S3M.0063": "The task is in progress. You must suspend the task before deleting it.",
    "S3M.0064": "Invalid request parameters.",
    "S3M.0065": "The task already starts.",
    "S3M.0066": "Failed to pause the task. The task is not in progress.",
    "S3M.0067": "The parameter is not in JSON format.",
    "S3M.0068": "Authentication failed.",
    "S3M.0069": "Setting enableKMS to true is not allowed because the KMS service is not available now.",
    "S3M.0070": "The task is complete. You cannot start or stop it.",
    "S3M.0072": "You do not have the required permission.",
    "S3M.0073": "Failed to delete the task.",
    "S3M.0074": "The parameters must be the same as those in the Object Storage Migration Service API Reference.",
    "S3M.0075": (
        "The number of migration tasks created during the past 24 hours has reached the maximum allowed. Try again "
        "later."
    ),
    "S3M.0076": "The number of queued migration tasks has reached the maximum allowed. Try again later.",
    "S3M.0077": "The user has created too many tasks.",
    "S3M.0078": "The description cannot contain the following special characters: <>()'\"&",
    "S3M.0079": "Unsupported source regions.",
    "S3M.0080": "Unsupported destination region.",
    "S3M.0081": "Failed to pass the custom domain name check. Ensure that the entered custom domain name is correct.",
    "S3M.0082": "Restoring archive data of this cloud service provider is not supported.",
    "S3M.0083": "The number of traffic limit rules exceeds the upper limit.",
    "S3M.0084": "The maximum bandwidth is out of the range.",
    "S3M.0085": "The time segments overlap.",
    "S3M.0086": "Failed to modify traffic limit parameters.",
    "S3M.0087": "The traffic limit parameter is invalid.",
    "S3M.0088": "The selected task type does not match the input parameter.",
    "S3M.0151": "Invalid parameters.",
    "S3M.0152": "Failed to query the OBS region.",
    "S3M.0153": "Failed to query the bucket information.",
    "S3M.0154": "Failed to connect to OBS.",
    "S3M.0155": "Failed to get the bucket region.",
    "S3M.0156": "Failed to send the notification using the SMN service due to SMN internal errors.",
    "S3M.0157": "Failed to send the notification using the SMN service because the SMN topic does not exist.",
    "S3M.0158": (
        "Failed to send the notification using the SMN service because OMS has no permission to access the SMN topic."
    ),
    "S3M.0159": (
        "Failed to send the notification using the SMN service due to a failure in authenticating OMS using IAM."
    ),
    "S3M.0160": "Failed to send the notification using the SMN service due to OMS internal errors.",
    "S3M.0161": "Failed to send the notification using the SMN service due to network exceptions.",
    "S3M.0162": "The request header length exceeds the upper limit.",
    "S3M.0163": "The request token length exceeds the upper limit.",
    "S3M.0167": "Failed to find the list of failed objects.",
    "S3M.0168": (
        "Failed to send the SMN notification message because your SMN topic is not in the same region as the "
        "current service."
    ),
    "S3M.0169": (
        "The SMN message topic does not exist or you do not have the permission to use the current topic. Select "
        "another topic or obtain the permission required for the current topic and try again."
    ),
    "S3M.0256": "The API version does not exist.",
    "S3M.0307": "Failed to add the information about the objects that failed to be migrated to OBS.",
    "S3M.0308": "Incomplete list of failed objects.",
    "TRF.0002": "The server is not responding. Click the restart button to restart the migration task.",
    "TRF.0004": "An error occurred on the server. Click the restart button to restart the migration task.",
    "TRF.0005": "An error occurred on the server. Click the restart button to restart the migration task.",
    "TRF.0006": (
        "The migration is complete, but some files on the source and destination systems are inconsistent. Click "
        "the restart button to restart the migration task."
    ),
    "TRF.0007": "The network is interrupted or the OBS service is unresponsive. Try again later.",
    "TRF.0008": (
        "The migration task failed. Check whether the AK/SK is correct. Click the restart button to restart the "
        "migration task."
    ),
    "TRF.0009": (
        "Failed to query the source bucket. Check the network or AK/SK. Click the restart button to restart the "
        "migration task."
    ),
    "TRF.0010": (
        "Failed to query the destination bucket. Check the network or AK/SK. Click the restart button to restart "
        "the migration task."
    ),
    "TRF.0011": (
        "This task does not contain files or folders to be migrated. Create another migration task to migrate "
        "target files and folders."
    ),
    "TRF.0064": (
        "Failed to migrate the data because there is archived data that has not been restored. Please restore it "
        "and restart the task again."
    ),
}
