"""OMS's error codes with their HTTP status and sentence, as data.

Source: https://support.huaweicloud.com/intl/en-us/api-oms/ErrorCode.html, without advice to call a hotline. Codes
``TRF.*`` stand in the body of a task (``error_reason``), the others in error responses.
"""

from __future__ import annotations

CODES: dict[str, tuple[int, str]] = {
    # The gateway in front of OMS: https://support.huaweicloud.com/intl/en-us/api-apig/errorcode_apig.html
    "APIGW.0101": (404, "The API does not exist."),
    "APIGW.0201": (413, "The request body is too large."),
    "APIGW.0301": (401, "Incorrect IAM authentication information."),
    "OMS.0001": (400, "Invalid parameter settings. Modify the request parameters."),
    "OMS.0002": (400, "Invalid parameter format. Modify the parameter format."),
    "OMS.0004": (400, "Invalid HTTP request. Modify the parameter format."),
    "OMS.0005": (400, "The HTTP request method does not exist. Ensure that the request method is correct."),
    "OMS.0051": (400, "Invalid value for parameter range. Enter a valid value for range."),
    "OMS.0052": (400, "Invalid value for the parameter that chooses by state."),
    "OMS.0053": (
        400,
        (
            "Task query failed due to invalid parameters or insufficient permissions. Check whether the parameters "
            "are correct and whether you have the required permissions."
        ),
    ),
    "OMS.0054": (400, "Invalid task ID. Enter a valid task ID."),
    "OMS.0057": (400, "Invalid values for source parameters. Modify the source parameters."),
    "OMS.0058": (400, "Invalid values for destination parameters. Modify the destination parameters."),
    "OMS.0059": (
        400,
        (
            "Invalid value for the number of threads specified for migration. Enter a value from 0 to 50 (whole "
            "numbers only)."
        ),
    ),
    "OMS.0060": (400, "Migration to the current region is not supported."),
    "OMS.0061": (400, "Invalid format for task parameters. Modify the parameter format."),
    "OMS.0062": (400, "Failed to save the task."),
    "OMS.0063": (400, "The task is in progress. Pause the task and then delete it."),
    "OMS.0064": (400, "Invalid request parameters. Enter valid parameter values."),
    "OMS.0065": (400, "The task has already started."),
    "OMS.0066": (400, "Failed to pause the task. The task is not in progress. Check the task status."),
    "OMS.0067": (400, "The parameters are not in JSON format. Modify the parameter format."),
    "OMS.0068": (400, "Token authentication failed."),
    "OMS.0070": (400, "The task is complete. You cannot start or stop it."),
    "OMS.0072": (400, "You do not have the required permissions."),
    "OMS.0073": (400, "Failed to delete the task."),
    "OMS.0074": (
        400,
        (
            "The parameters must be the same as those in the OMS API Reference. Modify the parameter format by "
            "referring to OMS API Reference."
        ),
    ),
    "OMS.0077": (400, "The number of created migration tasks has exceeded the limit."),
    "OMS.0078": (
        400,
        (
            "The description cannot contain the following special characters: <>()'\"& Delete the special characters"
            " that are not allowed."
        ),
    ),
    "OMS.0079": (
        400,
        (
            "Migration from the region where the source bucket is located is not supported. Modify the source "
            "bucket parameter."
        ),
    ),
    "OMS.0080": (
        400,
        (
            "Migration to the region where the selected destination bucket is located is not supported. Modify the "
            "destination bucket parameter."
        ),
    ),
    "OMS.0081": (400, "Failed to pass the custom domain name check. Enter a valid custom domain name."),
    "OMS.0083": (
        400,
        (
            "The number of traffic limit rules exceeds the maximum. Change the number of traffic limit rules. Refer"
            " to OMS API Reference for details."
        ),
    ),
    "OMS.0084": (
        400,
        (
            "The maximum traffic value is out of the range. Change the maximum traffic value. Refer to OMS API "
            "Reference for details."
        ),
    ),
    "OMS.0085": (400, "The time segments are overlapped. Ensure that time segments do not overlap."),
    "OMS.0086": (400, "Failed to update the bandwidth policy."),
    "OMS.0087": (400, "Invalid values for time segments. Modify the time segments."),
    "OMS.0089": (
        400,
        (
            "The source objects do not exist (do not modify permissions to access the source bucket or objects "
            "during the migration). Ensure that the names of the source bucket and objects are correct and try "
            "again."
        ),
    ),
    "OMS.0151": (400, "Invalid parameters."),
    "OMS.0152": (400, "Failed to query regions."),
    "OMS.0153": (400, "Failed to query the bucket information."),
    "OMS.0155": (400, "Failed to get the bucket region."),
    "OMS.0156": (400, "Failed to send the notification using SMN. Internal SMN service errors."),
    "OMS.0157": (400, "Failed to send the notification using SMN. The SMN topic does not exist."),
    "OMS.0158": (
        400,
        "Failed to send the notification using SMN. OMS has not been authorized to access the SMN topic.",
    ),
    "OMS.0159": (400, "System error. Failed to send the SMN notification."),
    "OMS.0160": (400, "System busy. Failed to send the SMN notification."),
    "OMS.0161": (400, "Network error. Failed to send the SMN notification."),
    "OMS.0167": (400, "Failed to find the list of failed objects."),
    "OMS.0168": (
        400,
        "Failed to send the SMN notification. The selected topic is not in the same region as the current service.",
    ),
    "OMS.0169": (
        400,
        (
            "The SMN topic does not exist or you do not have the permissions needed to use the current topic. "
            "Select another topic or obtain the required permissions."
        ),
    ),
    "OMS.0201": (400, "Your account has been restricted. Check your account balance."),
    "OMS.0202": (400, "Sorry, your account has been frozen."),
    "OMS.0203": (400, "Validate your personal information before continuing using OMS."),
    "OMS.0204": (400, "Real-name authentication is required for this operation. Complete real-name authentication."),
    "OMS.0205": (
        403,
        "Insufficient permission. Read-only users do not have the permissions to create, modify, or delete resources.",
    ),
    "OMS.0206": (403, "Insufficient permissions. You do not have the OMS operation permissions."),
    "OMS.0302": (400, "Failed to list source objects."),
    "OMS.0303": (400, "Failed to record objects failed to be migrated."),
    "OMS.0304": (400, "Failed to store the list of objects failed to be migrated."),
    "OMS.0305": (
        400,
        (
            "Object list file has reached the maximum allowed size. Check the size of the object list. Refer to OMS"
            " API Reference for details."
        ),
    ),
    "OMS.0306": (400, "No source objects found. Ensure that there are objects in the source bucket."),
    "OMS.0307": (400, "Failed to add the information about failed objects to the OBS bucket."),
    "OMS.0308": (400, "Incomplete list of failed objects."),
    "OMS.1001": (400, "Internal service error."),
    "OMS.1002": (400, "Invalid parameter type. Use a valid parameter type as described in OMS API Reference."),
    "OMS.1003": (
        400,
        "Incorrect parameter constraints. Modify the parameter constraints. Refer to OMS API Reference for details.",
    ),
    "OMS.1004": (400, "Some required parameters are missing. Ensure that all required parameters are included."),
    "OMS.1005": (400, "Authentication failed."),
    "OMS.1006": (400, "The parameter is not in JSON format. Ensure that the parameter format is in JSON format."),
    "OMS.1007": (400, "Some required parameters are missing. Ensure that all required parameters are included."),
    "OMS.1008": (400, "Invalid request method. Use the request method described in OMS API Reference."),
    "OMS.1009": (400, "No resources found. Ensure that the resources exist and resource parameters are correct."),
    "OMS.1010": (400, "Incorrect parameter type. Use the correct parameter type."),
    "OMS.1011": (400, "No bucket ID found in the list. Ensure that bucket list contains bucket IDs."),
    "OMS.1012": (400, "You can create a maximum of 50 evaluation tasks at a time. Try again later."),
    "OMS.1013": (400, "Invalid bucket ID. Enter a valid bucket ID."),
    "OMS.1014": (
        400,
        (
            "Failed to obtain source bucket details. Ensure that the AK and SK are correct and you have the "
            "permissions to access the bucket."
        ),
    ),
    "OMS.1015": (400, "A maximum of 500 buckets can be evaluated per day. Try again later."),
    "OMS.1016": (
        400,
        (
            "Failed to obtain the source bucket details because the authentication failed or no bucket ID was found"
            " in the list. Ensure that the AK and SK are correct and you have the permissions to access the bucket."
        ),
    ),
    "OMS.1017": (400, "A maximum of 50 buckets can be selected at a time. Try again later."),
    "OMS.1018": (400, "Invalid source bucket. Check the source bucket parameter."),
    "OMS.1019": (
        400,
        "You can create a migration task only after the source bucket evaluation succeeds. Try again later.",
    ),
    "OMS.1020": (
        400,
        (
            "Failed to access the destination bucket. Ensure that the AK and SK are correct and you have the "
            "permissions to access the bucket."
        ),
    ),
    "OMS.1021": (400, "The number of created migration tasks exceeded the quota. Please try again in 24 hours."),
    "OMS.1022": (400, "A migration task is being created for the source bucket. Select another bucket."),
    "OMS.1023": (400, "No bucket selected."),
    "OMS.1026": (400, "Failed to create the migration task due a service error."),
    "OMS.1027": (400, "The failed objects record is empty. Select another one."),
    "OMS.1028": (400, "A maximum of 50 tasks can be retried at a time."),
    "OMS.1030": (400, "Invalid record status."),
    "OMS.1031": (
        400,
        (
            "Failed to recreate the migration task because only the tasks under the same cloud service provider can"
            " be recreated. Select one cloud service provider during retry."
        ),
    ),
    "OMS.1032": (400, "CDN authentication key required. Enter the correct CDN authentication key."),
    "OMS.1033": (400, "Only tasks in Evaluating state can be stopped. Check the task status."),
    "OMS.1035": (400, "Failed to upload the object list file."),
    "OMS.1036": (400, "Operations cannot be performed on task groups in current state. Check the task group status."),
    "OMS.1037": (400, "The number of task group that can be create each day cannot exceed 100."),
    "OMS.1038": (400, "Only tasks in Executing state can be paused. Check the task status."),
    "OMS.1039": (400, "Only tasks in Paused state can be resumed. Check the task status."),
    "OMS.1040": (400, "Only tasks in Creation failed or Failed state can be restarted. Check the task status."),
    "OMS.1041": (
        400,
        (
            "Authentication failed because the migration task contains buckets that do not belong to the logged-in "
            "user account. Ensure that all selected buckets belong to the logged-in user."
        ),
    ),
    "OMS.2002": (400, "The synchronization task is not found or not started."),
    "OMS.2004": (503, "Service busy. Try again later."),
    "TRF.0001": (200, "System error. Click Restart to restart the migration task."),
    "TRF.0003": (200, "Waiting for task execution timed out. Click Restart to restart the migration task."),
    "TRF.0012": (
        200,
        "Failed to verify the task parameters. Ensure that there are objects for the selected migration method.",
    ),
    "TRF.0013": (
        200,
        (
            "The object list file does not exist or cannot be obtained. Ensure that the object list file exists, "
            "and the current AK and SK have read and write permissions for the file."
        ),
    ),
    "TRF.0014": (
        200,
        "Invalid object list file. Ensure the object list file is a .txt file, and is no larger than 100 MB.",
    ),
    "TRF.0015": (
        200,
        (
            "The source AK and SK are invalid because the Azure storage account does not use Blob storage. Enter a "
            "valid AK and SK."
        ),
    ),
    "TRF.0016": (200, "The format of the URL list file is incorrect."),
    "TRF.0017": (200, "No URL found in the specified list file. Check the list file."),
    "TRF.0018": (
        400,
        (
            "Failed to verify the task parameters. Ensure that the length of each line in the object list file does"
            " not exceed 65,535 characters."
        ),
    ),
    "TRF.0019": (
        400,
        (
            "Failed to verify the task parameters. Ensure that contentType in the metadata of the object list file "
            "is set to text/plain and contentEncoding is not set."
        ),
    ),
    "TRF.0051": (
        200,
        (
            "The account corresponding to the entered AK/SK does not have the permissions to access the destination"
            " bucket or objects. Ensure that the account has the required permissions and try again."
        ),
    ),
    "TRF.0052": (
        200,
        (
            "The account corresponding to the entered AK/SK does not have the permissions to access the destination"
            " bucket or objects. Ensure that the account has the required permissions and try again."
        ),
    ),
    "TRF.0053": (200, "The migration cannot be completed because your HUAWEI CLOUD account is expired or frozen."),
    "TRF.0054": (
        200,
        (
            "The account corresponding to the entered AK/SK does not have the permissions to access the destination"
            " bucket or objects. Ensure that the account has the required permissions and try again."
        ),
    ),
    "TRF.0055": (
        200,
        (
            "The destination OBS bucket does not have enough space. Ensure that the destination bucket has enough "
            "space and try again."
        ),
    ),
    "TRF.0056": (200, "Your HUAWEI CLOUD account is frozen. Try again after your account is unfrozen."),
    "TRF.0057": (200, "Invalid AK or SK. Enter the correct AK and SK and try again."),
    "TRF.0058": (
        200,
        (
            "The destination OBS bucket does not exist (do not modify permissions to access the destination bucket "
            "or objects during the migration). Ensure that the destination bucket name is correct and try again."
        ),
    ),
    "TRF.0059": (
        200,
        (
            "The destination objects do not exist (do not modify permissions to access the destination bucket or "
            "objects during the migration). Ensure that the names of the destination bucket and objects are correct"
            " and try again."
        ),
    ),
    "TRF.0060": (
        200,
        "The path for storing the migrated objects is too long. Change the object names or the path for storing them.",
    ),
    "TRF.0061": (200, "There is a problem with the destination object storage service."),
    "TRF.0062": (
        200,
        "Some objects cannot be migrated. Ensure that there are no tasks to migrate those objects and try again later.",
    ),
    "TRF.0063": (
        200,
        (
            "The migration task failed. Data cannot be migrated to the destination OBS bucket because your account "
            "balance is insufficient."
        ),
    ),
    "TRF.0151": (200, "The source AK/SK is invalid. Enter the correct AK and SK and try again."),
    "TRF.0152": (
        200,
        (
            "The account corresponding to the entered AK/SK does not have the permissions to access the source "
            "bucket or objects. Ensure that the account has the required permissions and try again."
        ),
    ),
    "TRF.0153": (
        200,
        (
            "The account corresponding to the entered AK/SK does not have the permissions to access the source "
            "bucket or objects. Ensure that the account has the required permissions and try again."
        ),
    ),
    "TRF.0154": (
        200,
        (
            "The account corresponding to the entered AK/SK does not have the permissions to access the source "
            "bucket or objects. Ensure that the account has the required permissions and try again."
        ),
    ),
    "TRF.0155": (
        200,
        (
            "The source bucket does not exist (do not modify permissions to access the source bucket or objects "
            "during the migration). Ensure that the source bucket name is correct and try again."
        ),
    ),
    "TRF.0156": (
        200,
        (
            "The source objects do not exist (do not modify permissions to access the source bucket or objects "
            "during the migration). Ensure that the names of the source bucket and objects are correct and try "
            "again."
        ),
    ),
    "TRF.0157": (200, "There is a problem with the source object storage service."),
    "TRF.0158": (
        200,
        (
            "The migration task is completed, but the object data in the destination bucket is unencrypted. Check "
            "whether the region where the destination bucket is located supports KMS encryption."
        ),
    ),
    "TRF.0159": (
        200,
        "The task failed because the frequency of access to the source object storage exceeded the allowed limit.",
    ),
    "TRF.0160": (200, "Failed to read archived data. Restore archived data and restart the task."),
    "TRF.0201": (
        200,
        "Failed to restore archived data. Restore archived data on the source server and restart the task.",
    ),
    "TRF.0202": (
        200,
        (
            "Failed to migrate the data because there is archived data that has not been restored. Restore archived"
            " data and restart the task."
        ),
    ),
    "TRF.0301": (200, "The object list file cannot be read. Restore the object list file and restart the task."),
}
